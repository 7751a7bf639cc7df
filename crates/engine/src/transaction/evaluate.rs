//! Tests one rule: its links in order, each on the values of its variables ([`subjects`](super::subjects)).

use parapet_seclang::ast::Variable;

use super::State;
use super::budget::PER_VALUE;
use super::store::{Span, StringId};
use crate::operators::{GivenUp, Lookup, Number, Operator, numeric};
use crate::policy::Policy;
use crate::policy::names::Slot;
use crate::policy::rule::{Link, Quick, Rule};
use crate::prefilter;

/// A link of a rule that is run.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    pub(super) policy: &'p Policy,
    pub(super) rule: &'p Rule,
    pub(super) link: &'p Link,
}

/// Name of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) variable: Variable,
    pub(crate) key: Key,
}

/// What stands behind the colon of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    None,
    Text(Span),
    Slot(Slot),
}

/// A value to test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(super) name: Name,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// A string of the transaction, not transformed yet.
    String(StringId),
    /// The same, transformed. If it is decided, the operator cannot match it.
    Image { id: StringId, is_decided: bool },
    /// Text that is not interned.
    Text(Span),
}

/// A value that the current rule matched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchedValue {
    pub(crate) name: Name,
    /// As the operator saw it.
    pub(crate) value: Span,
}

impl State {
    /// Tests a rule and does what it says when it matches; whether it did.
    pub(super) fn run_rule(&mut self, policy: &Policy, rule: &Rule, index: usize) -> bool {
        self.matched.clear();
        self.reports.begin_rule();
        let mut head_matches = 0;
        for (position, link) in rule.links.iter().enumerate() {
            if !self.run_link(At { policy, rule, link }, position == 0) {
                self.matched.clear();
                return false;
            }
            if position == 0 {
                head_matches = self.matched.len();
            }
        }
        self.conclude(policy, rule, index, head_matches);
        true
    }

    /// Does what a rule of one link says whose quick test holds.
    pub(super) fn match_quickly(&mut self, policy: &Policy, rule: &Rule, index: usize, quick: Quick) {
        self.matched.clear();
        self.reports.begin_rule();
        let Some(link) = rule.links.first() else { return };
        let (slot, value) = match quick {
            Quick::Compare { slot, .. } => (slot, self.collections.slot(slot).unwrap_or_default()),
            Quick::Count { slot, .. } => {
                let count: &[u8] = if self.collections.slot(slot).is_some() { b"1" } else { b"0" };
                (slot, self.store.push(count))
            }
        };
        self.matched.push(MatchedValue { name: Name { variable: Variable::Tx, key: Key::Slot(slot) }, value });
        self.apply_effects(At { policy, rule, link });
        self.conclude(policy, rule, index, 1);
    }

    /// Notes a match of a whole rule.
    pub(super) fn conclude(&mut self, policy: &Policy, rule: &Rule, index: usize, head_matches: usize) {
        if let Some(severity) = rule.meta.severity {
            let highest = self.control.highest_severity.map_or(severity, |highest| highest.min(severity));
            self.control.highest_severity = Some(highest);
        }
        if rule.log || rule.auditlog {
            self.report(policy, rule, index, head_matches);
        }
    }

    fn run_link(&mut self, at: At<'_>, head: bool) -> bool {
        let At { policy, rule, link } = at;
        if link.targets.is_empty() {
            self.apply_effects(at);
            return true;
        }
        let mut subjects = std::mem::take(&mut self.subjects);
        subjects.clear();
        let by_hits = head && !self.plain && link.is_steady();
        for target in &link.targets {
            if by_hits {
                self.collect_hits(at, target, &mut subjects);
            } else {
                self.collect(at, target, &mut subjects);
            }
        }
        let mut argument = std::mem::take(&mut self.expanded);
        argument.clear();
        let plain = link.argument.plain();
        if plain.is_none() && !subjects.is_empty() {
            self.expand(policy, Some(rule), &link.argument, &mut argument);
        }
        let mut hit = false;
        for subject in &subjects {
            if self.is_over_budget() {
                break;
            }
            let matched = self.test_subject(at, plain.unwrap_or(&argument), *subject);
            hit |= matched;
            if by_hits && plain.is_some() && link.operator.is_constant() {
                self.note_outcome(at, *subject, matched);
            }
        }
        self.expanded = argument;
        self.subjects = subjects;
        hit
    }

    /// Tests one value, after all transformations or, for `multiMatch`, after each that changed it.
    fn test_subject(&mut self, at: At<'_>, argument: &[u8], subject: Subject) -> bool {
        let At { policy, link, .. } = at;
        let chains = &policy.parts.chains;
        let chain = chains.get(link.chain);
        if link.multi_match && !chain.steps.is_empty() {
            let mut image = match subject.value {
                Value::String(id) | Value::Image { id, .. } => id,
                Value::Text(span) => self.store.intern_span(span),
            };
            let span = self.store.span(image);
            let mut hit = self.test(at, argument, subject.name, span, None);
            for step in &chain.steps {
                let next = self.store.step(image, *step, chains);
                if next != image {
                    image = next;
                    let span = self.store.span(image);
                    hit |= self.test(at, argument, subject.name, span, None);
                }
            }
            return hit;
        }
        let mut known = None;
        let span = match subject.value {
            Value::Image { id, is_decided } => {
                known = is_decided.then_some(false);
                self.store.span(id)
            }
            Value::String(id) => {
                let image = self.image(policy, id, link.chain);
                self.store.span(image)
            }
            Value::Text(span) if chain.steps.is_empty() => span,
            Value::Text(span) => {
                let id = self.store.intern_span(span);
                let image = self.image(policy, id, link.chain);
                self.store.span(image)
            }
        };
        self.test(at, argument, subject.name, span, known)
    }

    /// Tests one transformed value, unless it is `known` whether the operator matches it; on a match
    /// stores captures and applies the link's effects.
    pub(super) fn test(&mut self, at: At<'_>, argument: &[u8], name: Name, value: Span, known: Option<bool>) -> bool {
        let link = at.link;
        let steps = if known.is_some() { 0 } else { link.operator.steps(argument, value.len()) };
        self.store.budget.spend(PER_VALUE + steps);
        let outcome = match known {
            Some(known) => Ok(known),
            None => self.ask(at, argument, name, value),
        };
        match outcome {
            Ok(outcome) if outcome == link.negated => return false,
            Ok(_) => {}
            Err(GivenUp { steps }) => {
                self.store.budget.spend(steps);
                self.give_up_pattern(at.policy);
                return false;
            }
        }
        if captures(link) {
            // Groups may have taken a second, slower search.
            self.store.budget.spend(2 * link.operator.steps(argument, value.len()));
            self.store_captures(value);
        }
        self.matched.push(MatchedValue { name, value });
        self.apply_effects(at);
        true
    }

    /// Whether the operator of a link matches a value; what it captures of it is in `captures` then.
    fn ask(&mut self, at: At<'_>, argument: &[u8], name: Name, value: Span) -> Result<bool, GivenUp> {
        let link = at.link;
        let text = self.store.get(value);
        let outcome = match (&link.operator, link.number) {
            (Operator::Number(number), Some(with)) => compare(*number, text, with),
            (Operator::Lookup(Lookup::Script(script)), _) => self.ask_script(at, script, name, value),
            (Operator::Lookup(lookup), _) => self.look_up(at.policy, lookup, value),
            (operator, _) if captures(link) => {
                return operator.matches_capturing(argument, text, &mut self.captures);
            }
            (operator, _) => return operator.matches(argument, text),
        };
        if outcome && captures(link) {
            link.operator.captures(argument, self.store.get(value), &mut self.captures);
        }
        Ok(outcome)
    }

    /// Puts what the operator captured into `TX.0` to `TX.9`: groups that took no part are empty,
    /// places without a group are taken out.
    fn store_captures(&mut self, value: Span) {
        let captures = std::mem::take(&mut self.captures);
        for group in 0..10 {
            let stored = match (captures.range(group), captures.get(group, &[])) {
                (Some((start, end)), _) => Some(value.part(start, end)),
                (None, Some(text)) => Some(self.store.push(text)),
                (None, None) => (group < captures.len()).then(Span::default),
            };
            self.collections.set_slot(Slot(group as u16), stored);
        }
        self.captures = captures;
    }

    /// Whether the prefilter lets a transformed value pass the gate of the rule with this bit.
    pub(super) fn opens(&mut self, policy: &Policy, image: StringId, bit: usize) -> bool {
        let (which, gate) = gate_of(policy, bit);
        let prefilter = &policy.parts.prefilters[which];
        prefilter::is_set(self.store.gates(image, which, prefilter), gate)
    }

    /// Notes what a test says of the value for as long as the rules stay as they are.
    fn note_outcome(&mut self, At { policy, rule, link }: At<'_>, subject: Subject, matched: bool) {
        // What was given up was not decided.
        if self.store.budget.has_met_any() {
            return;
        }
        let is_refuted = matched == link.negated;
        let chains = &policy.parts.chains;
        match subject.value {
            Value::Image { id, is_decided: false } if is_refuted => self.close_gate(policy, id, rule.bit as usize),
            Value::Image { id, .. } if link.negated && !matched => self.candidates.settle(rule.bit, id),
            // A negated test that matched one image says nothing about the others.
            Value::String(mut image) if link.multi_match && is_refuted && !link.negated => {
                self.close_gate(policy, image, rule.bit as usize);
                for step in &chains.get(link.chain).steps {
                    image = self.store.step(image, *step, chains);
                    self.close_gate(policy, image, rule.bit as usize);
                }
            }
            _ => {}
        }
    }

    /// Notes that the operator of the rule with this bit does not match a transformed value.
    fn close_gate(&mut self, policy: &Policy, image: StringId, bit: usize) {
        let (which, gate) = gate_of(policy, bit);
        self.store.close_gate(image, which, policy.parts.prefilters[which].words(), gate);
    }
}

/// The prefilter of the rule with this bit, and the number of its gate there.
fn gate_of(policy: &Policy, bit: usize) -> (usize, usize) {
    match bit.checked_sub(policy.parts.response_bit) {
        Some(gate) => (1, gate),
        None => (0, bit),
    }
}

/// Whether what the operator of a link captures is wanted.
fn captures(link: &Link) -> bool {
    link.capture && !link.negated
}

fn compare(number: Number, value: &[u8], with: i64) -> bool {
    number.holds(numeric::parse(value), with)
}
