//! Gathers the values that a link tests, with their names.

use super::State;
use super::budget::PER_VALUE;
use super::evaluate::{At, Key, Name, Subject, Value};
use super::store::{Span, StringId};
use crate::operators::Rx;
use crate::policy::Policy;
use crate::policy::targets::{Exclusion, Select, Target};
use crate::prefilter::{self, classes};
use crate::variables::{Part, Source};

impl State {
    /// Gathers the values of one variable of a list, exclusions left out.
    pub(super) fn collect(&mut self, at: At<'_>, target: &Target, subjects: &mut Vec<Subject>) {
        let first = subjects.len();
        self.gather(at, target, subjects);
        self.leave_out_and_count(at, target, first, subjects);
    }

    /// Gathers those values of one variable that the prefilter says the rule may match.
    pub(super) fn collect_hits(&mut self, at: At<'_>, target: &Target, subjects: &mut Vec<Subject>) {
        let first = subjects.len();
        let mut hits = std::mem::take(&mut self.hits);
        hits.extend(self.candidates.of(at.rule.bit, target.number));
        for hit in hits.drain(..) {
            if let (Select::Pattern { rx, .. }, Some(name)) = (&target.select, hit.name)
                && !is_selected(rx, self.store.text(name))
            {
                continue;
            }
            let key = hit.name.map_or(Key::None, |name| Key::Text(self.store.span(name)));
            let value = match at.link.multi_match {
                true => Value::String(hit.value),
                false => {
                    let id = hit.image.unwrap_or_else(|| self.image(at.policy, hit.value, at.link.chain));
                    Value::Image { id, is_decided: hit.is_decided }
                }
            };
            subjects.push(Subject { name: Name { variable: target.variable, key }, value });
        }
        self.hits = hits;
        self.leave_out_and_count(at, target, first, subjects);
    }

    fn leave_out_and_count(&mut self, at: At<'_>, target: &Target, first: usize, subjects: &mut Vec<Subject>) {
        self.leave_out(at, first, subjects);
        if target.count {
            self.count(target, first, subjects);
        }
    }

    /// Gathers the values of one variable, those that exclusions cover among them.
    pub(super) fn gather(&mut self, at: At<'_>, target: &Target, subjects: &mut Vec<Subject>) {
        match target.source {
            Source::Scalar(variable) => {
                let name = Name { variable: target.variable, key: Key::None };
                let value = self.collections.scalar(variable);
                self.offer(at, name, value, subjects);
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
                            self.offer(at, name, value, subjects);
                        }
                    }
                }
            }
            _ => self.collect_written(at, target, subjects),
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
    fn offer(&mut self, At { policy, link, .. }: At<'_>, name: Name, value: StringId, subjects: &mut Vec<Subject>) {
        if link.needed != classes::ALL && !link.multi_match && !self.plain {
            let image = self.image(policy, value, link.chain);
            if self.store.classes(image) & link.needed == 0 {
                return;
            }
        }
        subjects.push(Subject { name, value: Value::String(value) });
    }

    /// Values that rules write or that are worked out.
    #[allow(clippy::too_many_lines, reason = "one arm per kind of variable")]
    fn collect_written(&mut self, At { policy, rule, .. }: At<'_>, target: &Target, subjects: &mut Vec<Subject>) {
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
    pub(super) fn leave_out(&mut self, at: At<'_>, first: usize, subjects: &mut Vec<Subject>) {
        if at.link.exclusions.is_empty() && self.removals_of(at).next().is_none() {
            return;
        }
        let exclusions = at.link.exclusions.len() + self.control.target_removals.len();
        let mut kept = first;
        for index in first..subjects.len() {
            let Some(subject) = subjects.get(index).copied() else { break };
            let length = if let Key::Text(key) = subject.name.key { key.len() } else { 0 };
            self.store.budget.spend(exclusions as u64 * (PER_VALUE + length as u64));
            if self.exclusion_of(at, subject.name).is_none() {
                subjects.swap(kept, index);
                kept += 1;
            }
        }
        subjects.truncate(kept);
    }

    /// Target removals by `ctl` that concern a rule.
    fn removals_of<'p>(&self, at: At<'p>) -> impl Iterator<Item = (u16, &'p [Exclusion])> {
        self.control.target_removals.iter().filter_map(move |index| {
            let removal = at.policy.parts.target_removals.get(usize::from(*index))?;
            let concerned = prefilter::is_set(&removal.rules, at.rule.bit as usize);
            concerned.then_some((*index, removal.exclusions.as_slice()))
        })
    }

    /// The exclusion that keeps a value from a link, and the number of the removal by `ctl` it is part of.
    pub(super) fn exclusion_of<'p>(&self, at: At<'p>, name: Name) -> Option<(Option<u16>, &'p Exclusion)> {
        let names = &at.policy.parts.names;
        let key = match name.key {
            Key::None => &[][..],
            Key::Text(span) => self.store.get(span),
            Key::Slot(slot) => names.spelled(slot),
        };
        let own = at.link.exclusions.iter().map(|exclusion| (None, exclusion));
        let removed = self
            .removals_of(at)
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

/// Whether a pattern selects a name. One that is given up selects it: better one value too many.
fn is_selected(rx: &Rx, name: &[u8]) -> bool {
    rx.is_match(name).unwrap_or(true)
}
