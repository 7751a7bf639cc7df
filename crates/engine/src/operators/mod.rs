//! Operators: the tests of rules.
//!
//! An operator is compiled once with its rule. Arguments with macros are expanded by the caller
//! before each test; everything else is decided at load.

mod backtracking;
mod begins_with;
mod contains;
mod contains_word;
mod detect_sqli;
mod detect_xss;
mod ends_with;
pub(crate) mod fuzzy_hash;
mod geo_lookup;
mod ip_match;
pub(crate) mod numeric;
mod pcre_syntax;
pub(crate) mod pm;
mod rbl;
mod rest_path;
pub(crate) mod rx;
mod sqli_fold;
mod sqli_gate;
mod sqli_phrases;
mod str_eq;
mod str_match;
mod validate_byte_range;
pub(crate) mod validate_nid;
mod validate_url_encoding;
mod validate_utf8_encoding;
mod verify_cc;
mod verify_cpf;
mod verify_ssn;
mod verify_svnr;
mod within;

#[cfg(test)]
mod language_vectors;

use std::sync::Arc;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {
    detect_sqli::detect as detect_sqli, detect_xss::detect as detect_xss,
    sqli_phrases::replaced as sqli_phrases_replaced,
};

use parapet_script::Script;
use parapet_seclang::ast::OperatorKind;
use smallvec::SmallVec;

pub(crate) use fuzzy_hash::FuzzyHash;
pub(crate) use geo_lookup::GeoLookup;
pub(crate) use ip_match::IpMatch;
pub(crate) use pm::Pm;
pub(crate) use rbl::Rbl;
pub use rbl::Resolver;
pub(crate) use rest_path::RestPath;
pub(crate) use rx::Rx;
pub(crate) use validate_byte_range::ValidateByteRange;

/// What a rule tests its values with.
pub(crate) enum Operator {
    /// `@rx`.
    Rx(Arc<Rx>),
    /// `@rxGlobal`.
    RxGlobal(Arc<Rx>),
    /// `@rx` whose pattern has macros: compiled at each test.
    RxMacro,
    /// `@pm`, `@pmFromFile`.
    Pm(Arc<Pm>),
    /// A comparison with text.
    Text(Text),
    /// A comparison with a number.
    Number(Number),
    /// `@detectSQLi`.
    DetectSqli,
    /// `@detectXSS`.
    DetectXss,
    /// `@ipMatch`, `@ipMatchFromFile`.
    IpMatch(Arc<IpMatch>),
    /// `@validateByteRange`.
    ValidateByteRange(Box<ValidateByteRange>),
    /// `@validateUrlEncoding`.
    ValidateUrlEncoding,
    /// `@validateUtf8Encoding`.
    ValidateUtf8Encoding,
    /// `@verifyCC` and its kind: candidates by pattern, then a checksum.
    Verify(Checksum, Arc<Rx>),
    /// `@fuzzyHash`.
    FuzzyHash(Arc<FuzzyHash>),
    /// A test that the value alone does not decide, or that sets variables.
    Lookup(Lookup),
    /// `@unconditionalMatch`.
    Always,
    /// `@noMatch`.
    Never,
}

/// Steps for asking a database or a resolver.
const LOOKUP_STEPS: u64 = 1_000;

/// Tests that the value alone does not decide, or that set variables. The transaction makes them.
pub(crate) enum Lookup {
    /// `@geoLookup`.
    Geo(Arc<GeoLookup>),
    /// `@rbl`.
    Rbl(Rbl),
    /// `@restpath`.
    RestPath(Box<RestPath>),
    /// `SecRuleScript` and `@inspectFile`.
    Script(Script),
}

/// Comparisons with text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// `@beginsWith`.
    BeginsWith,
    /// `@contains`.
    Contains,
    /// `@containsWord`.
    ContainsWord,
    /// `@endsWith`.
    EndsWith,
    /// `@streq`.
    Equal,
    /// `@strmatch`.
    StrMatch,
    /// `@within`.
    Within,
}

/// Comparisons with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// `@eq`.
    Eq,
    /// `@ge`.
    Ge,
    /// `@gt`.
    Gt,
    /// `@le`.
    Le,
    /// `@lt`.
    Lt,
}

/// Checksums of the `@verify…` operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Payment cards (Luhn).
    CreditCard,
    /// Brazilian CPF.
    Cpf,
    /// US social security number.
    Ssn,
    /// Austrian social security number.
    Svnr,
    /// Chilean RUT.
    Rut,
}

impl Text {
    /// The comparison an operator makes, if it is one with text.
    pub(crate) fn of(kind: OperatorKind) -> Option<Text> {
        Some(match kind {
            OperatorKind::BeginsWith => Text::BeginsWith,
            OperatorKind::Contains => Text::Contains,
            OperatorKind::ContainsWord => Text::ContainsWord,
            OperatorKind::EndsWith => Text::EndsWith,
            OperatorKind::StrEq => Text::Equal,
            OperatorKind::StrMatch => Text::StrMatch,
            OperatorKind::Within => Text::Within,
            _ => return None,
        })
    }

    fn matches(self, argument: &[u8], value: &[u8]) -> bool {
        match self {
            Text::BeginsWith => begins_with::matches(argument, value),
            Text::Contains => contains::matches(argument, value),
            Text::ContainsWord => contains_word::matches(argument, value),
            Text::EndsWith => ends_with::matches(argument, value),
            Text::Equal => str_eq::matches(argument, value),
            Text::StrMatch => str_match::matches(argument, value),
            Text::Within => within::matches(argument, value),
        }
    }
}

impl Number {
    /// The comparison an operator makes, if it is one with a number.
    pub(crate) fn of(kind: OperatorKind) -> Option<Number> {
        Some(match kind {
            OperatorKind::Eq => Number::Eq,
            OperatorKind::Ge => Number::Ge,
            OperatorKind::Gt => Number::Gt,
            OperatorKind::Le => Number::Le,
            OperatorKind::Lt => Number::Lt,
            _ => return None,
        })
    }

    /// Whether `value` stands in this relation to `argument`.
    pub(crate) fn holds(self, value: i64, argument: i64) -> bool {
        match self {
            Number::Eq => value == argument,
            Number::Ge => value >= argument,
            Number::Gt => value > argument,
            Number::Le => value <= argument,
            Number::Lt => value < argument,
        }
    }
}

impl Checksum {
    /// The checksum an operator verifies, if it does.
    pub(crate) fn of(kind: OperatorKind) -> Option<Checksum> {
        Some(match kind {
            OperatorKind::VerifyCc => Checksum::CreditCard,
            OperatorKind::VerifyCpf => Checksum::Cpf,
            OperatorKind::VerifySsn => Checksum::Ssn,
            OperatorKind::VerifySvnr => Checksum::Svnr,
            _ => return None,
        })
    }

    fn verify(self, candidate: &[u8]) -> bool {
        match self {
            Checksum::CreditCard => verify_cc::verify(candidate),
            Checksum::Cpf => verify_cpf::verify(candidate),
            Checksum::Ssn => verify_ssn::verify(candidate),
            Checksum::Svnr => verify_svnr::verify(candidate),
            Checksum::Rut => validate_nid::verify_rut(candidate),
        }
    }
}

impl Operator {
    /// Whether the value passes the test, its negation not considered. `argument` is the argument
    /// with macros expanded; only text, number and macro patterns read it.
    ///
    /// # Errors
    /// The operator was given up before it came to a result.
    pub(crate) fn matches(&self, argument: &[u8], value: &[u8]) -> Result<bool, GivenUp> {
        Ok(match self {
            Operator::Rx(rx) | Operator::RxGlobal(rx) => return rx.is_match(value),
            Operator::RxMacro => match Rx::compile(argument) {
                Ok(rx) => return rx.is_match(value),
                // What the macros gave is no pattern.
                Err(_) => return Err(GivenUp { steps: 0 }),
            },
            Operator::Pm(pm) => pm.find(value).is_some(),
            Operator::Text(text) => text.matches(argument, value),
            Operator::Number(number) => number.holds(numeric::parse(value), numeric::parse(argument)),
            Operator::DetectSqli => detect_sqli::detect(value).is_some(),
            Operator::DetectXss => detect_xss::detect(value),
            Operator::IpMatch(addresses) => addresses.matches(value),
            Operator::ValidateByteRange(range) => range.matches(value),
            Operator::ValidateUrlEncoding => validate_url_encoding::matches(value),
            Operator::ValidateUtf8Encoding => validate_utf8_encoding::matches(value),
            Operator::Verify(checksum, rx) => verified(*checksum, rx, value)?.is_some(),
            Operator::FuzzyHash(hash) => hash.matches(value),
            Operator::Always => true,
            Operator::Lookup(_) | Operator::Never => false,
        })
    }

    /// The same, and what a value that passes gives to `TX.0` to `TX.9`.
    ///
    /// # Errors
    /// The operator was given up before it came to a result.
    pub(crate) fn matches_capturing(&self, argument: &[u8], value: &[u8], out: &mut Captures) -> Result<bool, GivenUp> {
        out.clear();
        Ok(match self {
            // What they capture is what they find.
            Operator::Pm(pm) => pm.find(value).inspect(|(start, end)| out.push_range(*start, *end)).is_some(),
            Operator::DetectSqli => detect_sqli::detect(value).inspect(|found| out.push_text(found)).is_some(),
            Operator::Verify(checksum, rx) => {
                verified(*checksum, rx, value)?.inspect(|(start, end)| out.push_range(*start, *end)).is_some()
            }
            _ => {
                let matches = self.matches(argument, value)?;
                if matches {
                    self.captures(argument, value, out);
                }
                matches
            }
        })
    }

    /// Whether the result depends on nothing but the value, as far as the argument has no macros.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Operator::Rx(rx) => rx.is_linear(),
            Operator::Pm(_)
            | Operator::Text(_)
            | Operator::DetectSqli
            | Operator::DetectXss
            | Operator::IpMatch(_)
            | Operator::ValidateByteRange(_)
            | Operator::ValidateUrlEncoding
            | Operator::ValidateUtf8Encoding => true,
            _ => false,
        }
    }

    /// Steps that testing a value of `length` bytes takes at worst.
    pub(crate) fn steps(&self, argument: &[u8], length: usize) -> u64 {
        let length = length as u64;
        match self {
            Operator::Rx(rx) | Operator::RxGlobal(rx) | Operator::Verify(_, rx) => rx.steps(length),
            Operator::RxMacro => rx::COMPILE_STEPS * (1 + argument.len() as u64) + rx::STEPS_PER_BYTE * length,
            Operator::DetectSqli => 16 * length,
            Operator::DetectXss => 8 * length,
            // Hashing it is linear; a hash, whatever the value, is compared with each of the list.
            Operator::FuzzyHash(hash) => 16 * length + hash.compare_steps(),
            Operator::Lookup(_) => LOOKUP_STEPS + length,
            Operator::Text(_) => argument.len() as u64 + length,
            Operator::Pm(_)
            | Operator::IpMatch(_)
            | Operator::ValidateByteRange(_)
            | Operator::ValidateUrlEncoding
            | Operator::ValidateUtf8Encoding => length,
            Operator::Number(_) | Operator::Always | Operator::Never => 0,
        }
    }

    /// What a value that passed the test gives to `TX.0` to `TX.9`.
    pub(crate) fn captures(&self, argument: &[u8], value: &[u8], out: &mut Captures) {
        out.clear();
        match self {
            Operator::Rx(rx) => rx.captures(value, out),
            Operator::RxGlobal(rx) => rx.all_captures(value, out),
            Operator::RxMacro => {
                if let Ok(rx) = Rx::compile(argument) {
                    rx.captures(value, out);
                }
            }
            Operator::Pm(_) | Operator::DetectSqli | Operator::Verify(..) => {
                // It passed, so it is not given up.
                let _ = self.matches_capturing(argument, value, out);
            }
            Operator::DetectXss | Operator::Lookup(Lookup::Rbl(_)) => out.push_range(0, value.len()),
            _ => {}
        }
    }

    /// Whether a hit of this operator says what it hit, so that `capture` has something to store.
    pub(crate) fn has_captures(&self) -> bool {
        matches!(
            self,
            Operator::Rx(_)
                | Operator::RxGlobal(_)
                | Operator::RxMacro
                | Operator::Pm(_)
                | Operator::DetectSqli
                | Operator::DetectXss
                | Operator::Lookup(Lookup::Rbl(_))
                | Operator::Verify(..)
        )
    }
}

/// An operator was given up on a value: it tried more ways to match than are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Steps spent in vain.
    pub(crate) steps: u64,
}

/// The first candidate of the pattern whose checksum is right.
fn verified(checksum: Checksum, rx: &Rx, value: &[u8]) -> Result<Option<(usize, usize)>, GivenUp> {
    let mut found = None;
    rx.each_match(value, |start, end| {
        if value.get(start..end).is_some_and(|candidate| checksum.verify(candidate)) {
            found = Some((start, end));
        }
        found.is_none()
    })?;
    Ok(found)
}

/// What a hit captured: ranges of the tested value, or text of the operator's own.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    groups: SmallVec<[Group; 10]>,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Group {
    Absent,
    Range(u32, u32),
    Text,
}

impl Captures {
    fn clear(&mut self) {
        self.groups.clear();
        self.text.clear();
    }

    fn push_range(&mut self, start: usize, end: usize) {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => self.groups.push(Group::Range(start, end)),
            _ => self.groups.push(Group::Absent),
        }
    }

    fn push_absent(&mut self) {
        self.groups.push(Group::Absent);
    }

    fn push_text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.groups.push(Group::Text);
    }

    /// How many groups there are, the whole match included.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The place of a group in the tested value; `None` if it took no part or is text of the operator's own.
    pub(crate) fn range(&self, group: usize) -> Option<(usize, usize)> {
        match self.groups.get(group)? {
            Group::Range(start, end) => Some((*start as usize, *end as usize)),
            Group::Absent | Group::Text => None,
        }
    }

    /// The text of a group; `None` if it took no part in the match.
    pub(crate) fn get<'a>(&'a self, group: usize, value: &'a [u8]) -> Option<&'a [u8]> {
        match self.groups.get(group)? {
            Group::Absent => None,
            Group::Range(start, end) => value.get(*start as usize..*end as usize),
            Group::Text => Some(&self.text),
        }
    }
}
