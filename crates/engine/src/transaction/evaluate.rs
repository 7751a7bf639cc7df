//! Tests one rule: its links in order, each on the values of its variables.

use parapet_seclang::ast::Variable;

use super::State;
use super::budget::PER_VALUE;
use super::store::{Span, StringId};
use crate::operators::{GivenUp, Lookup, Number, Operator, Rx, numeric};
use crate::policy::Policy;
use crate::policy::names::Slot;
use crate::policy::rule::{Link, Quick, Rule};
use crate::policy::targets::{Exclusion, Select, Target};
use crate::prefilter::{self, classes};
use crate::variables::{Part, Source};

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
            if !self.run_link(policy, rule, link, position == 0) {
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
        self.apply_effects(policy, rule, link);
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

    fn run_link(&mut self, policy: &Policy, rule: &Rule, link: &Link, head: bool) -> bool {
        if link.targets.is_empty() {
            self.apply_effects(policy, rule, link);
            return true;
        }
        let mut subjects = std::mem::take(&mut self.subjects);
        subjects.clear();
        let by_hits = head && !self.plain && link.is_steady();
        for target in &link.targets {
            if by_hits {
                self.collect_hits(policy, rule, link, target, &mut subjects);
            } else {
                self.collect(policy, rule, link, target, &mut subjects);
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
            let matched = self.test_subject(policy, rule, link, plain.unwrap_or(&argument), *subject);
            hit |= matched;
            if let Value::Image { id, is_decided: false } = subject.value
                && by_hits
                && matched == link.negated
                && plain.is_some()
                && link.operator.is_constant()
            {
                self.close_gate(policy, id, rule.bit as usize);
            }
        }
        self.expanded = argument;
        self.subjects = subjects;
        hit
    }

    /// Tests one value, after all transformations or, for `multiMatch`, after each that changed it.
    fn test_subject(&mut self, policy: &Policy, rule: &Rule, link: &Link, argument: &[u8], subject: Subject) -> bool {
        let chains = &policy.parts.chains;
        let chain = chains.get(link.chain);
        if link.multi_match && !chain.steps.is_empty() {
            let mut image = match subject.value {
                Value::String(id) | Value::Image { id, .. } => id,
                Value::Text(span) => self.store.intern_span(span),
            };
            let span = self.store.span(image);
            let mut hit = self.test(policy, rule, link, argument, subject.name, span, None);
            for step in &chain.steps {
                let next = self.store.step(image, *step, chains);
                if next != image {
                    image = next;
                    let span = self.store.span(image);
                    hit |= self.test(policy, rule, link, argument, subject.name, span, None);
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
        self.test(policy, rule, link, argument, subject.name, span, known)
    }

    /// Tests one transformed value, unless it is `known` whether the operator matches it; on a match
    /// stores captures and applies the link's effects.
    #[allow(clippy::too_many_arguments, reason = "what is tested, how, and what is known of it")]
    pub(super) fn test(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        link: &Link,
        argument: &[u8],
        name: Name,
        value: Span,
        known: Option<bool>,
    ) -> bool {
        let steps = if known.is_some() { 0 } else { link.operator.steps(argument, value.len()) };
        self.store.budget.spend(PER_VALUE + steps);
        let text = self.store.get(value);
        let outcome = match (&link.operator, link.number, known) {
            (_, _, Some(known)) => known,
            (Operator::Number(number), Some(with), None) => compare(*number, text, with),
            (Operator::Lookup(Lookup::Script(script)), _, None) => {
                self.ask_script(policy, rule, link, script, name, value)
            }
            (Operator::Lookup(lookup), _, None) => self.look_up(policy, lookup, value),
            (operator, _, None) => match operator.matches(argument, text) {
                Ok(outcome) => outcome,
                Err(GivenUp { steps }) => {
                    self.store.budget.spend(steps);
                    self.give_up_pattern(policy);
                    return false;
                }
            },
        };
        if outcome == link.negated {
            return false;
        }
        if link.capture && !link.negated {
            self.store_captures(link, argument, value);
        }
        self.matched.push(MatchedValue { name, value });
        self.apply_effects(policy, rule, link);
        true
    }

    /// Puts what the operator captured into `TX.0` to `TX.9`: groups that took no part are empty,
    /// places without a group are taken out.
    fn store_captures(&mut self, link: &Link, argument: &[u8], value: Span) {
        // Groups take a second, slower search.
        self.store.budget.spend(2 * link.operator.steps(argument, value.len()));
        let mut captures = std::mem::take(&mut self.captures);
        link.operator.captures(argument, self.store.get(value), &mut captures);
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

    /// Gathers the values of one variable of a list, exclusions left out.
    fn collect(&mut self, policy: &Policy, rule: &Rule, link: &Link, target: &Target, subjects: &mut Vec<Subject>) {
        let first = subjects.len();
        self.gather(policy, rule, link, target, subjects);
        self.leave_out_and_count(policy, rule, link, target, first, subjects);
    }

    /// Gathers those values of one variable that the prefilter says the rule may match.
    fn collect_hits(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        link: &Link,
        target: &Target,
        subjects: &mut Vec<Subject>,
    ) {
        let first = subjects.len();
        for hit in self.candidates.of(rule.bit).filter(|hit| hit.target == target.number) {
            if let (Select::Pattern { rx, .. }, Some(name)) = (&target.select, hit.name)
                && !is_selected(rx, self.store.text(name))
            {
                continue;
            }
            let key = hit.name.map_or(Key::None, |name| Key::Text(self.store.span(name)));
            let value = match link.multi_match {
                true => Value::String(hit.value),
                false => Value::Image { id: hit.image, is_decided: hit.is_decided },
            };
            subjects.push(Subject { name: Name { variable: target.variable, key }, value });
        }
        self.leave_out_and_count(policy, rule, link, target, first, subjects);
    }

    fn leave_out_and_count(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        link: &Link,
        target: &Target,
        first: usize,
        subjects: &mut Vec<Subject>,
    ) {
        self.leave_out(policy, rule, link, first, subjects);
        if target.count {
            self.count(target, first, subjects);
        }
    }

    /// Gathers the values of one variable, those that exclusions cover among them.
    pub(super) fn gather(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        link: &Link,
        target: &Target,
        subjects: &mut Vec<Subject>,
    ) {
        match target.source {
            Source::Scalar(variable) => {
                let name = Name { variable: target.variable, key: Key::None };
                let value = self.collections.scalar(variable);
                self.offer(policy, link, name, value, subjects);
            }
            Source::Items(collections, part) => {
                for collection in collections {
                    let count = self.collections.items(*collection).len();
                    self.store.budget.spend(count as u64 * PER_VALUE);
                    for index in 0..count {
                        let Some(item) = self.collections.items(*collection).get(index).copied() else { break };
                        let selected = match &target.select {
                            Select::All | Select::Slot(_) => true,
                            Select::Key { key, hash } => {
                                item.hash == *hash && self.store.text(item.name).eq_ignore_ascii_case(key)
                            }
                            Select::Pattern { rx, .. } => is_selected(rx, self.store.text(item.name)),
                        };
                        if selected {
                            let key = Key::Text(self.store.span(item.name));
                            let name = Name { variable: target.variable, key };
                            let value = if part == Part::Values { item.value } else { item.name };
                            self.offer(policy, link, name, value, subjects);
                        }
                    }
                }
            }
            _ => self.collect_written(policy, rule, target, subjects),
        }
    }

    /// Puts the number of the values from `first` on in their place.
    pub(super) fn count(&mut self, target: &Target, first: usize, subjects: &mut Vec<Subject>) {
        let count = subjects.len() - first;
        subjects.truncate(first);
        let mut digits = [0u8; 20];
        let text = self.store.push(super::clock::decimal(count as u64, &mut digits));
        let key = match &target.select {
            Select::Key { key, .. } => Key::Text(self.store.push(key)),
            Select::Slot(slot) => Key::Slot(*slot),
            _ => Key::None,
        };
        let name = Name { variable: target.variable, key };
        subjects.push(Subject { name, value: Value::Text(text) });
    }

    /// Adds a value, unless its bytes tell that the link cannot match it.
    fn offer(&mut self, policy: &Policy, link: &Link, name: Name, value: StringId, subjects: &mut Vec<Subject>) {
        if link.needed != classes::ALL && !link.multi_match && !self.plain {
            let image = self.image(policy, value, link.chain);
            if self.store.classes(image) & link.needed == 0 {
                return;
            }
        }
        subjects.push(Subject { name, value: Value::String(value) });
    }

    /// Whether the prefilter lets a transformed value pass the gate of the rule with this bit.
    pub(super) fn opens(&mut self, policy: &Policy, image: StringId, bit: usize) -> bool {
        let (which, gate) = gate_of(policy, bit);
        let prefilter = &policy.parts.prefilters[which];
        prefilter::is_set(self.store.gates(image, which, prefilter), gate)
    }

    /// Notes that the operator of the rule with this bit does not match a transformed value.
    fn close_gate(&mut self, policy: &Policy, image: StringId, bit: usize) {
        let (which, gate) = gate_of(policy, bit);
        self.store.close_gate(image, which, policy.parts.prefilters[which].words(), gate);
    }

    /// Values that rules write or that are worked out.
    #[allow(clippy::too_many_lines, reason = "one arm per kind of variable")]
    fn collect_written(&mut self, policy: &Policy, rule: &Rule, target: &Target, subjects: &mut Vec<Subject>) {
        let variable = target.variable;
        let mut push = |key, value| subjects.push(Subject { name: Name { variable, key }, value: Value::Text(value) });
        match target.source {
            Source::Tx => match &target.select {
                Select::Slot(slot) => {
                    if let Some(value) = self.collections.slot(*slot) {
                        push(Key::Slot(*slot), value);
                    }
                }
                Select::Pattern { rx, slots } => {
                    for slot in slots {
                        if let Some(value) = self.collections.slot(*slot) {
                            push(Key::Slot(*slot), value);
                        }
                    }
                    for named in &self.collections.tx.values {
                        if is_selected(rx, self.store.get(named.name)) {
                            push(Key::Text(named.name), named.value);
                        }
                    }
                }
                Select::All | Select::Key { .. } => {
                    for (slot, value) in self.collections.slots() {
                        push(Key::Slot(slot), value);
                    }
                    for named in &self.collections.tx.values {
                        push(Key::Text(named.name), named.value);
                    }
                }
            },
            Source::Persistent(collection) => {
                for named in &self.collections.persistent(collection).values.values {
                    let selected = match &target.select {
                        Select::Key { key, hash } => {
                            named.hash == *hash && self.store.get(named.name).eq_ignore_ascii_case(key)
                        }
                        Select::Pattern { rx, .. } => is_selected(rx, self.store.get(named.name)),
                        Select::All | Select::Slot(_) => true,
                    };
                    if selected {
                        push(Key::Text(named.name), named.value);
                    }
                }
            }
            Source::MatchedVars => {
                for index in 0..self.matched.len() {
                    let Some(matched) = self.matched.get(index).copied() else { break };
                    let key = Key::Text(self.write_name(policy, matched.name));
                    push(key, matched.value);
                }
            }
            Source::MatchedVarsNames => {
                for index in 0..self.matched.len() {
                    let Some(matched) = self.matched.get(index).copied() else { break };
                    let written = self.write_name(policy, matched.name);
                    push(Key::Text(written), written);
                }
            }
            Source::MatchedVar => {
                if let Some(matched) = self.matched.last() {
                    push(Key::None, matched.value);
                }
            }
            Source::MatchedVarName => {
                if let Some(matched) = self.matched.last().copied() {
                    let written = self.write_name(policy, matched.name);
                    push(Key::None, written);
                }
            }
            Source::Computed(_) | Source::Rule => {
                let key = match &target.select {
                    Select::Key { key, .. } => Some(key.as_slice()),
                    _ => None,
                };
                if let Some(value) = self.computed(policy, Some(rule), variable, key) {
                    push(Key::None, value);
                }
            }
            Source::Scalar(_) | Source::Items(..) => {}
        }
    }

    /// Takes out the values that the rule's exclusions or `ctl` cover.
    pub(super) fn leave_out(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        link: &Link,
        first: usize,
        subjects: &mut Vec<Subject>,
    ) {
        if link.exclusions.is_empty() && self.removals_of(policy, rule).next().is_none() {
            return;
        }
        let exclusions = link.exclusions.len() + self.control.target_removals.len();
        let mut kept = first;
        for index in first..subjects.len() {
            let Some(subject) = subjects.get(index).copied() else { break };
            let length = if let Key::Text(key) = subject.name.key { key.len() } else { 0 };
            self.store.budget.spend(exclusions as u64 * (PER_VALUE + length as u64));
            if self.exclusion_of(policy, rule, link, subject.name).is_none() {
                subjects.swap(kept, index);
                kept += 1;
            }
        }
        subjects.truncate(kept);
    }

    /// Target removals by `ctl` that concern a rule.
    fn removals_of<'p>(&self, policy: &'p Policy, rule: &Rule) -> impl Iterator<Item = (u16, &'p [Exclusion])> {
        self.control.target_removals.iter().filter_map(|index| {
            let removal = policy.parts.target_removals.get(usize::from(*index))?;
            let concerned = prefilter::is_set(&removal.rules, rule.bit as usize);
            concerned.then_some((*index, removal.exclusions.as_slice()))
        })
    }

    /// The exclusion that keeps a value from a link, and the number of the removal by `ctl` it is part of.
    pub(super) fn exclusion_of<'p>(
        &self,
        policy: &'p Policy,
        rule: &Rule,
        link: &'p Link,
        name: Name,
    ) -> Option<(Option<u16>, &'p Exclusion)> {
        let names = &policy.parts.names;
        let key = match name.key {
            Key::None => &[][..],
            Key::Text(span) => self.store.get(span),
            Key::Slot(slot) => names.spelled(slot),
        };
        let own = link.exclusions.iter().map(|exclusion| (None, exclusion));
        let removed = self
            .removals_of(policy, rule)
            .flat_map(|(index, exclusions)| exclusions.iter().map(move |exclusion| (Some(index), exclusion)));
        own.chain(removed).find(|(_, exclusion)| exclusion.covers(name.variable, key, names))
    }

    /// Writes a name as reports show it, such as `ARGS:q`.
    pub(super) fn write_name(&mut self, policy: &Policy, name: Name) -> Span {
        let begin = self.store.begin();
        self.store.push(name.variable.name().as_bytes());
        match name.key {
            Key::None => {}
            Key::Text(key) => {
                self.store.push(b":");
                self.store.push_span(key);
            }
            Key::Slot(slot) => {
                self.store.push(b":");
                self.store.push(policy.parts.names.spelled(slot));
            }
        }
        self.store.finish(begin)
    }
}

/// The prefilter of the rule with this bit, and the number of its gate there.
fn gate_of(policy: &Policy, bit: usize) -> (usize, usize) {
    match bit.checked_sub(policy.parts.response_bit) {
        Some(gate) => (1, gate),
        None => (0, bit),
    }
}

/// Whether a pattern selects a name. One that is given up selects it: better one value too many.
fn is_selected(rx: &Rx, name: &[u8]) -> bool {
    rx.is_match(name).unwrap_or(true)
}

fn compare(number: Number, value: &[u8], with: i64) -> bool {
    number.holds(numeric::parse(value), with)
}
