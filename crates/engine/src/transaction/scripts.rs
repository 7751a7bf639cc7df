//! Lua scripts of rules: `SecRuleScript`, `@inspectFile`, `exec`.
//!
//! A script has ModSecurity's functions: `m.getvar(name, transformations)`, `m.getvars(name,
//! transformations)`, `m.setvar(name, value)` and `m.log(level, text)`. Each run has globals of its own,
//! so nothing passes from one transaction to another. `main()` returns nil, or a text: the message of a
//! match. `@inspectFile` calls `main(name, content)` for each value: uploads are never written to disk, so a
//! name in `FILES_TMPNAMES` stands for the content that comes with it; for other variables the name is
//! that of the member.

use parapet_script::{Failure, Host, Sandbox, Script, Value};
use parapet_seclang::ast::{PersistentCollection, Transformation, Variable};

use super::State;
use super::body::UPLOAD;
use super::evaluate::{At, Key, Name, Value as Tested};
use super::store::Span;
use crate::limits::Limit;
use crate::persistence::ValueChange;
use crate::policy::rule::Rule;
use crate::policy::targets::{Select, Target};
use crate::transformations;
use crate::variables::{Collection, Source, key_hash};
use crate::verdict::ScriptMessage;

/// What scripts may call, in the order of [`Bridge::call`].
const FUNCTIONS: &[&str] = &["m.getvar", "m.getvars", "m.setvar", "m.log"];
/// Messages of scripts that a transaction keeps, and the bytes of each.
const MOST_MESSAGES: usize = 100;
const LONGEST_MESSAGE: usize = 1024;
/// Level of a message that says that a script failed.
const FAILED: u8 = 1;
/// Steps of a transaction for each step of a script.
const WEIGHT: u64 = 8;
/// Steps for starting a script.
const START: u64 = 20_000;

/// The functions without a transaction: they know nothing and change nothing.
pub(crate) struct Quiet;

impl Host for Quiet {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn call(&mut self, _function: usize, _arguments: &[Value]) -> Result<Value, String> {
        Ok(Value::Nil)
    }
}

/// The functions of a script that runs for a rule.
struct Bridge<'a> {
    state: &'a mut State,
    at: At<'a>,
}

impl State {
    /// Runs the `main` of a rule's script; what it says, if it says anything.
    pub(super) fn run_script(&mut self, at: At<'_>, script: &Script, arguments: &[Value]) -> Option<Vec<u8>> {
        let sandbox = match self.sandbox.take() {
            Some(sandbox) => Ok(sandbox),
            None => Sandbox::new(at.policy.limits.script).map(Box::new),
        };
        let outcome = sandbox.and_then(|mut sandbox| {
            let mut bridge = Bridge { state: self, at };
            let mut steps = START;
            let outcome = sandbox.load(script, &mut bridge).and_then(|()| {
                steps += WEIGHT * sandbox.steps();
                sandbox.call(script, "main", arguments, &mut bridge)
            });
            self.store.budget.spend(steps + WEIGHT * sandbox.steps());
            self.sandbox = Some(sandbox);
            outcome
        });
        match outcome {
            Ok(said) => said.to_text().filter(|said| !said.is_empty()),
            Err(failure) => {
                self.note_failure(at.rule, &failure);
                None
            }
        }
    }

    /// A script that failed has not inspected what it was to inspect.
    #[cold]
    fn note_failure(&mut self, rule: &Rule, failure: &Failure) {
        self.store.budget.meet(Limit::Script);
        self.keep_message(rule, FAILED, failure.to_string().as_bytes());
    }

    fn keep_message(&mut self, rule: &Rule, level: u8, text: &[u8]) {
        if self.script_messages.len() < MOST_MESSAGES {
            let text = String::from_utf8_lossy(text.get(..LONGEST_MESSAGE.min(text.len())).unwrap_or_default());
            self.script_messages.push(ScriptMessage { rule_id: rule.id, level, text: text.into_owned() });
        }
    }

    /// Tests a value with the script of `SecRuleScript` or `@inspectFile`.
    pub(super) fn ask_script(&mut self, at: At<'_>, script: &Script, name: Name, value: Span) -> bool {
        let text = |span: Span| Value::Text(self.store.get(span).to_vec());
        let arguments = match name.variable {
            // The value that stands for the rule itself.
            Variable::Rule => Vec::new(),
            Variable::FilesTmpNames => vec![text(value), self.upload(self.store.get(value))],
            variable => {
                let field = match name.key {
                    Key::Text(key) => text(key),
                    _ => Value::from(variable.name()),
                };
                vec![field, text(value)]
            }
        };
        let said = self.run_script(at, script, &arguments);
        let said = said.map(|said| self.store.push(&said));
        self.reports.set_said(said);
        said.is_some()
    }
}

impl State {
    /// The content of an upload by its name in `FILES_TMPNAMES`.
    fn upload(&self, name: &[u8]) -> Value {
        let number =
            name.strip_prefix(UPLOAD).and_then(|number| std::str::from_utf8(number).ok()?.parse::<usize>().ok());
        let item = number.and_then(|number| self.collections.items(Collection::FilesTmpContent).get(number));
        item.map_or(Value::Nil, |item| Value::Text(self.store.text(item.value).to_vec()))
    }
}

impl Host for Bridge<'_> {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn call(&mut self, function: usize, arguments: &[Value]) -> Result<Value, String> {
        let argument = |index: usize| arguments.get(index).unwrap_or(&Value::Nil);
        let text = |index: usize, what: &str| {
            argument(index).to_text().ok_or_else(|| format!("{what} must be a text, as argument {}", index + 1))
        };
        match function {
            0 => {
                let value = self.variable(&text(0, "the name of a variable")?)?;
                let Some(value) = value else { return Ok(Value::Nil) };
                let chain = chain(argument(1))?;
                let image = image(self.state.store.get(value), &chain);
                Ok(if image.is_empty() { Value::Nil } else { Value::Text(image) })
            }
            1 => self.variables(&text(0, "the name of a variable")?, &chain(argument(1))?),
            2 => {
                let value = match argument(1) {
                    Value::Nil => None,
                    _ => Some(text(1, "the value of a variable")?),
                };
                self.set(&text(0, "the name of a variable")?, value.as_deref()).map(|()| Value::Nil)
            }
            _ => {
                let Value::Integer(level) = argument(0) else { return Err("the level must be a number".to_owned()) };
                let level = u8::try_from((*level).clamp(1, 9)).unwrap_or(FAILED);
                self.state.keep_message(self.at.rule, level, &text(1, "the message")?);
                Ok(Value::Nil)
            }
        }
    }
}

impl Bridge<'_> {
    /// The first value of `NAME`, `NAME.key` or `NAME:key`.
    fn variable(&mut self, name: &[u8]) -> Result<Option<Span>, String> {
        let (variable, key) = resolve(name)?;
        let source = Source::of(variable);
        Ok(match (source, key) {
            (Source::Tx | Source::Persistent(_), None) => None,
            _ => self.state.value_of(self.at.policy, Some(self.at.rule), variable, source, key),
        })
    }

    /// All values of a variable, with their names.
    fn variables(&mut self, name: &[u8], chain: &[Transformation]) -> Result<Value, String> {
        let (variable, key) = resolve(name)?;
        let source = Source::of(variable);
        let found = match (source, key) {
            (Source::Tx, Some(key)) => {
                let value = self.state.value_of(self.at.policy, Some(self.at.rule), variable, source, Some(key));
                let key = self.state.store.push(key);
                value.into_iter().map(|value| (Name { variable, key: Key::Text(key) }, value)).collect()
            }
            _ => {
                let select = key.map_or(Select::All, |key| Select::Key { key: key.to_vec(), hash: key_hash(key) });
                self.gathered(&Target { variable, source, select, count: false, number: 0 })
            }
        };
        let mut list = Vec::with_capacity(found.len());
        for (name, value) in found {
            let name = self.state.write_name(self.at.policy, name);
            let name = Value::Text(self.state.store.get(name).to_vec());
            let value = Value::Text(image(self.state.store.get(value), chain));
            list.push(Value::Map(vec![(b"name".to_vec(), name), (b"value".to_vec(), value)]));
        }
        Ok(Value::List(list))
    }

    fn gathered(&mut self, target: &Target) -> Vec<(Name, Span)> {
        let mut subjects = Vec::new();
        self.state.gather(self.at, target, &mut subjects);
        let span = |value| match value {
            Tested::String(id) | Tested::Image { id, .. } => self.state.store.span(id),
            Tested::Text(span) => span,
        };
        subjects.into_iter().map(|subject| (subject.name, span(subject.value))).collect()
    }

    /// Sets `tx.name`, or a member of a collection that outlives the transaction; `None` takes it out.
    fn set(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        let (variable, key) = resolve(name)?;
        let key = key.ok_or_else(|| format!("`{}` names no member: tx.name", String::from_utf8_lossy(name)))?;
        let span = value.map(|value| self.state.store.push(value));
        let name = self.state.store.push(key);
        match Source::of(variable) {
            Source::Tx => self.state.set_tx_value(self.at.policy, name, span),
            Source::Persistent(collection) => self.set_kept(collection, name, span, value),
            _ => return Err(format!("{} cannot be set; TX and the collections of initcol can", variable.name())),
        }
        Ok(())
    }

    fn set_kept(&mut self, collection: PersistentCollection, name: Span, after: Option<Span>, value: Option<&[u8]>) {
        let noted = value.map_or(ValueChange::Removed, |value| ValueChange::Set(value.to_vec()));
        self.state.store_persistent(self.at.policy, collection, name, after, noted);
    }
}

/// Takes a name apart.
fn resolve(name: &[u8]) -> Result<(Variable, Option<&[u8]>), String> {
    let at = name.iter().position(|byte| matches!(byte, b'.' | b':'));
    let (variable, key) = match at {
        Some(at) => (name.get(..at).unwrap_or_default(), name.get(at + 1..)),
        None => (name, None),
    };
    let found = Variable::from_name(variable);
    let found = found.ok_or_else(|| format!("there is no variable `{}`", String::from_utf8_lossy(variable)))?;
    Ok((found, key.filter(|key| !key.is_empty())))
}

/// The transformations that a script names: one, or a list; `none` begins anew.
fn chain(names: &Value) -> Result<Vec<Transformation>, String> {
    let one = std::slice::from_ref(names);
    let names = match names {
        Value::Nil => &[],
        Value::List(list) => list.as_slice(),
        _ => one,
    };
    let mut chain = Vec::new();
    for name in names {
        let text = name.as_text().ok_or("transformations are named by a text or a list of texts")?;
        if text.eq_ignore_ascii_case(b"none") {
            chain.clear();
            continue;
        }
        let found = Transformation::from_name(text);
        chain.push(found.ok_or_else(|| format!("there is no transformation `{}`", String::from_utf8_lossy(text)))?);
    }
    Ok(chain)
}

fn image(text: &[u8], chain: &[Transformation]) -> Vec<u8> {
    let mut image = text.to_vec();
    let mut out = Vec::new();
    for transformation in chain {
        if transformations::apply(*transformation, &image, &mut out) {
            std::mem::swap(&mut image, &mut out);
        }
    }
    image
}
