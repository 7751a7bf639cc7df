//! Variable lists of rules, compiled.

use std::sync::Arc;

use parapet_seclang::ast::{self, Selector, TargetMode, Variable};

use super::names::{Names, Slot};
use crate::body::xpath::XPath;
use crate::operators::Rx;
use crate::trace::Place;
use crate::variables::{Collection, Part, Source, key_hash};

/// One variable of a rule's list.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) source: Source,
    pub(crate) select: Select,
    /// Whether the number of values is tested instead of the values.
    pub(crate) count: bool,
    /// The same for all targets that have the same values, by source and name.
    pub(crate) number: u32,
}

/// Members of a collection.
#[derive(Clone)]
pub(crate) enum Select {
    All,
    Key {
        key: Vec<u8>,
        hash: u32,
    },
    Slot(Slot),
    /// A pattern; for `TX`, the slots whose names match it are known.
    Pattern {
        rx: Arc<Rx>,
        slots: Vec<Slot>,
    },
}

/// A variable taken out of a rule's list, or out of a transaction by `ctl`.
#[derive(Clone)]
pub(crate) struct Exclusion {
    pub(crate) variable: Variable,
    pub(crate) select: Select,
    /// As it is written, without `!`; for traces.
    pub(crate) text: Box<str>,
    /// Where it is written.
    pub(crate) place: Place,
    /// Whether it stands in the rule's own list.
    pub(crate) is_own: bool,
}

impl Target {
    /// Compiles a target that is not an exclusion.
    pub(crate) fn compile(target: &ast::Target, names: &mut Names) -> Result<Target, String> {
        let mut source = Source::of(target.variable);
        let select = if matches!(target.variable, Variable::Xml | Variable::ResponseXml) {
            source = xml_source(target.variable, &target.selector)?;
            match &target.selector {
                Selector::XPath(path) if source == XML_NODES => key(path),
                _ => Select::All,
            }
        } else {
            compile_select(target.variable, &target.selector, names)?
        };
        Ok(Target { variable: target.variable, source, select, count: target.mode == TargetMode::Count, number: 0 })
    }

    /// `RULE:id`, which has one value.
    pub(crate) fn of_rule() -> Target {
        let (variable, source) = (Variable::Rule, Source::of(Variable::Rule));
        Target { variable, source, select: key(b"id"), count: false, number: 0 }
    }
}

impl Exclusion {
    /// Compiles an exclusion that is written at `place`.
    pub(crate) fn compile(target: &ast::Target, place: Place, names: &mut Names) -> Result<Exclusion, String> {
        let select = match (&target.selector, target.variable) {
            (Selector::XPath(path), _) => key(path),
            (selector, variable) => compile_select(variable, selector, names)?,
        };
        let text = target.to_string().trim_start_matches('!').into();
        Ok(Exclusion { variable: target.variable, select, text, place, is_own: false })
    }

    /// Whether it takes out the member `name` of `variable`. A pattern that is given up takes out nothing.
    pub(crate) fn covers(&self, variable: Variable, name: &[u8], names: &Names) -> bool {
        self.variable == variable
            && match &self.select {
                Select::All => true,
                Select::Key { key, .. } => key.eq_ignore_ascii_case(name),
                Select::Slot(slot) => names.spelled(*slot).eq_ignore_ascii_case(name),
                Select::Pattern { rx, .. } => rx.is_match(name).unwrap_or(false),
            }
    }
}

fn key(key: &[u8]) -> Select {
    Select::Key { key: key.to_vec(), hash: key_hash(key) }
}

fn compile_select(variable: Variable, selector: &Selector, names: &mut Names) -> Result<Select, String> {
    Ok(match selector {
        Selector::All => Select::All,
        Selector::Key(name) if variable == Variable::Tx => {
            Select::Slot(names.intern(name).ok_or("too many different names in TX")?)
        }
        Selector::Key(name) => key(name),
        Selector::Regex(pattern) => {
            // Names fold case, so patterns over names do too.
            let pattern = [b"(?i)", pattern.as_slice()].concat();
            Select::Pattern { rx: Arc::new(Rx::compile(&pattern)?), slots: Vec::new() }
        }
        Selector::XPath(path) => {
            return Err(format!("{} has no XPath `{}`", variable.name(), String::from_utf8_lossy(path)));
        }
    })
}

/// Where the nodes are that an XPath expression finds.
pub(crate) const XML_NODES: Source = Source::Items(&[Collection::XmlNodes], Part::Values);

fn xml_source(variable: Variable, selector: &Selector) -> Result<Source, String> {
    let (text, attributes, both): (&[_], &[_], &[_]) = if variable == Variable::Xml {
        (&[Collection::XmlText], &[Collection::XmlAttributes], &[Collection::XmlText, Collection::XmlAttributes])
    } else {
        const BOTH: &[Collection] = &[Collection::ResponseXmlText, Collection::ResponseXmlAttributes];
        (&BOTH[..1], &BOTH[1..], BOTH)
    };
    let path = match selector {
        Selector::All => return Ok(Source::Items(both, Part::Values)),
        Selector::Key(path) | Selector::Regex(path) | Selector::XPath(path) => path.as_slice(),
    };
    match path {
        b"/*" | b"//*" | b"/*/text()" | b"//text()" => Ok(Source::Items(text, Part::Values)),
        b"//@*" | b"@*" => Ok(Source::Items(attributes, Part::Values)),
        other if variable == Variable::Xml => XPath::parse(other).map(|_| XML_NODES),
        other => Err(format!(
            "the XPath `{}` is not supported for responses; `/*` and `//@*` are",
            String::from_utf8_lossy(other)
        )),
    }
}

/// Numbers targets by their values.
pub(crate) fn number<'a>(targets: impl Iterator<Item = &'a mut Target>) {
    let mut known: Vec<(Source, Option<Vec<u8>>)> = Vec::new();
    for target in targets {
        let key = match &target.select {
            Select::Key { key, .. } => Some(key.to_ascii_lowercase()),
            _ => None,
        };
        let values = (target.source, key);
        let number = known.iter().position(|other| *other == values).unwrap_or_else(|| {
            known.push(values);
            known.len() - 1
        });
        target.number = u32::try_from(number).unwrap_or(u32::MAX);
    }
}

/// Fills in which slots the patterns over `TX` match, once all names are known.
pub(crate) fn resolve_slots(target: &mut Target, names: &Names) {
    if let (Source::Tx, Select::Pattern { rx, slots }) = (target.source, &mut target.select) {
        *slots = names.all().filter(|(_, name)| rx.is_match(name).unwrap_or(true)).map(|(slot, _)| slot).collect();
    }
}
