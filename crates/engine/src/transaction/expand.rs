//! Expands `%{…}` macros.

use parapet_seclang::ast::Variable;

use super::State;
use super::clock::{Calendar, calendar};
use super::store::Span;
use crate::limits::Limit;
use crate::policy::Policy;
use crate::policy::rule::Rule;
use crate::policy::template::{Piece, Template};
use crate::variables::{Collection, Part, Source};

/// `MODSEC_BUILD` of the version whose language this is: two digits each for 3.0.16, and 100.
const MODSEC_BUILD: &[u8] = b"030016100";

impl State {
    /// Expands a template into a buffer. What has no value expands to nothing.
    pub(super) fn expand(&mut self, policy: &Policy, rule: Option<&Rule>, template: &Template, out: &mut Vec<u8>) {
        let before = out.len();
        for piece in &template.pieces {
            if out.len() > policy.limits.working_bytes {
                self.store.budget.meet(Limit::WorkingBytes);
                break;
            }
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Tx(slot) => {
                    if let Some(value) = self.collections.slot(*slot) {
                        out.extend_from_slice(self.store.get(value));
                    }
                }
                Piece::Value { variable, source, key } => {
                    if let Some(value) = self.value_of(policy, rule, *variable, *source, key.as_deref()) {
                        out.extend_from_slice(self.store.get(value));
                    }
                }
            }
        }
        self.store.budget.read(out.len() - before);
    }

    /// The same into a vector of its own.
    pub(super) fn expand_to_vec(&mut self, policy: &Policy, rule: Option<&Rule>, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        self.expand(policy, rule, template, &mut out);
        out
    }

    /// The same into the store.
    pub(super) fn expand_to_span(&mut self, policy: &Policy, rule: Option<&Rule>, template: &Template) -> Span {
        if let Some(plain) = template.plain() {
            return self.store.push(plain);
        }
        if let Some(slot) = template.slot() {
            return self.collections.slot(slot).unwrap_or_default();
        }
        let mut text = std::mem::take(&mut self.built);
        text.clear();
        self.expand(policy, rule, template, &mut text);
        let span = self.store.push(&text);
        self.built = text;
        span
    }

    /// The first value of a variable.
    pub(super) fn value_of(
        &mut self,
        policy: &Policy,
        rule: Option<&Rule>,
        variable: Variable,
        source: Source,
        key: Option<&[u8]>,
    ) -> Option<Span> {
        match source {
            Source::Scalar(variable) => Some(self.store.span(self.collections.scalar(variable))),
            Source::Items(collections, part) => {
                let mut found = collections.iter().filter_map(|collection| match key {
                    Some(key) => self.collections.first(*collection, key, &self.store),
                    None => self.collections.items(*collection).first().copied(),
                });
                let item = found.next()?;
                Some(self.store.span(if part == Part::Values { item.value } else { item.name }))
            }
            Source::Tx => {
                let key = key?;
                match policy.parts.names.find(key) {
                    Some(slot) => self.collections.slot(slot),
                    None => self.collections.tx.get(key, &self.store),
                }
            }
            Source::Persistent(collection) => self.collections.persistent(collection).values.get(key?, &self.store),
            Source::MatchedVar | Source::MatchedVars => self.matched.last().map(|matched| matched.value),
            Source::MatchedVarName | Source::MatchedVarsNames => {
                let name = self.matched.last()?.name;
                Some(self.write_name(policy, name))
            }
            Source::Computed(_) | Source::Rule => self.computed(policy, rule, variable, key),
        }
    }

    /// Values that are worked out when asked for.
    pub(super) fn computed(
        &mut self,
        policy: &Policy,
        rule: Option<&Rule>,
        variable: Variable,
        key: Option<&[u8]>,
    ) -> Option<Span> {
        match variable {
            Variable::ModsecBuild => return Some(self.store.push(MODSEC_BUILD)),
            Variable::FullRequest => {
                let text = self.full_request();
                return Some(self.store.push(&text));
            }
            Variable::FullRequestLength => {
                let length = self.full_request().len();
                return Some(self.push_number(i64::try_from(length).unwrap_or(i64::MAX)));
            }
            _ => {}
        }
        let seconds = self.control.now_micros / 1_000_000;
        let Calendar { year, month, day, hour, minute, second, weekday } = calendar(seconds);
        let number = match variable {
            Variable::Duration => self.control.elapsed.as_millis().min(i64::MAX as u128) as i64,
            Variable::HighestSeverity => self.control.highest_severity.map_or(255, i64::from),
            Variable::TimeEpoch => seconds as i64,
            Variable::TimeDay => i64::from(day),
            Variable::TimeHour => i64::from(hour),
            Variable::TimeMin => i64::from(minute),
            Variable::TimeMon => i64::from(month) - 1,
            Variable::TimeSec => i64::from(second),
            Variable::TimeWday => i64::from(weekday),
            Variable::TimeYear => year,
            Variable::Time => return Some(self.store.push(format!("{hour:02}:{minute:02}:{second:02}").as_bytes())),
            Variable::Rule => return self.rule_property(policy, rule?, key?),
            _ => return None,
        };
        Some(self.push_number(number))
    }

    /// The request line, the headers and as much of the body as was taken.
    fn full_request(&self) -> Vec<u8> {
        let mut text = self.store.text(self.collections.scalar(Variable::RequestLine)).to_vec();
        text.extend_from_slice(b"\r\n");
        for header in self.collections.items(Collection::RequestHeaders) {
            for part in [self.store.text(header.name), b": ", self.store.text(header.value), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.request_body);
        text
    }

    fn rule_property(&mut self, policy: &Policy, rule: &Rule, key: &[u8]) -> Option<Span> {
        let key = key.to_ascii_lowercase();
        match key.as_slice() {
            b"id" => Some(self.push_number(i64::from(rule.id))),
            b"rev" => Some(self.store.push(&rule.meta.revision)),
            b"severity" => rule.meta.severity.map(|severity| self.push_number(i64::from(severity))),
            // Its own text may name it again, so it is expanded without the rule.
            b"msg" => Some(self.expand_to_span(policy, None, &rule.meta.message)),
            b"logdata" => Some(self.expand_to_span(policy, None, &rule.meta.data)),
            _ => None,
        }
    }
}
