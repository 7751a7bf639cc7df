//! Runs the rules of a phase.

use parapet_seclang::ast::{AllowScope, EngineMode};

use super::State;
use crate::operators::numeric;
use crate::policy::Policy;
use crate::policy::chains::ChainId;
use crate::policy::program::{Program, Watch};
use crate::policy::rule::{Disruptive, Flow, Operand, Quick, Rule};
use crate::prefilter;
use crate::transaction::store::StringId;
use crate::variables::{Part, Source};
use crate::verdict::{Intervention, InterventionKind};

impl State {
    /// Runs a phase. Only phase 5 runs after an intervention or an `allow` of everything.
    pub(super) fn run_phase(&mut self, policy: &Policy, phase: u8) -> Option<Intervention> {
        if self.control.engine == EngineMode::Off || self.is_let_through(phase) {
            return None;
        }
        let program = policy.parts.programs.get(usize::from(phase).checked_sub(1)?)?;
        self.find_candidates(policy, program);
        let mut position = 0;
        if let Some(marker) = self.control.pending_skip {
            // A skip that an earlier phase could not finish lasts until its marker is met.
            let rule = policy.parts.markers.first(marker, phase)?;
            self.control.pending_skip = None;
            position = rule.saturating_sub(program.rules.start);
        }
        while let Some(next) = self.next_rule(program, position) {
            position = next + 1;
            let index = program.rules.start + next;
            let Some(rule) = policy.parts.rules.get(index) else { break };
            if prefilter::is_set(&self.control.removed, rule.bit as usize) {
                continue;
            }
            let quickly_no = !policy.exhaustive && rule.quick.is_some_and(|quick| !self.holds(quick));
            if quickly_no || !self.run_rule(policy, rule, index) {
                continue;
            }
            match rule.flow {
                Flow::Next => {}
                Flow::Skip(count) => position += count as usize,
                Flow::SkipAfter { rule: Some(target), .. } => {
                    position = (target as usize).saturating_sub(program.rules.start);
                }
                Flow::SkipAfter { rule: None, marker } => {
                    self.control.pending_skip = Some(marker);
                    return None;
                }
            }
            if let Some(intervention) = self.decide(policy, rule, phase) {
                return intervention;
            }
            if self.control.engine == EngineMode::Off {
                return None;
            }
        }
        None
    }

    /// Whether an earlier `allow` or intervention leaves this phase out.
    fn is_let_through(&self, phase: u8) -> bool {
        if phase == 5 {
            return false;
        }
        self.control.interrupted
            || match self.control.allow {
                Some(AllowScope::Transaction) => true,
                Some(AllowScope::Request) => phase <= 2,
                _ => false,
            }
    }

    /// The first rule at or after a position that may match.
    fn next_rule(&self, program: &Program, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut mask = u64::MAX << (from % 64);
        while let Some(always) = program.always.get(word) {
            let bits = (always | self.candidates.get(word).copied().unwrap_or(0)) & mask;
            if bits != 0 {
                let position = word * 64 + bits.trailing_zeros() as usize;
                return (position < program.rules.len()).then_some(position);
            }
            mask = u64::MAX;
            word += 1;
        }
        None
    }

    /// What a matching rule's disruptive action does now: `Some` ends the phase.
    fn decide(&mut self, policy: &Policy, rule: &Rule, phase: u8) -> Option<Option<Intervention>> {
        if self.control.engine != EngineMode::On {
            return None;
        }
        let kind = match &rule.disruptive {
            Disruptive::Pass => return None,
            Disruptive::Allow(scope) => {
                if *scope != AllowScope::Phase {
                    self.control.allow = Some(*scope);
                }
                let ends = *scope != AllowScope::Request || phase <= 2;
                return ends.then_some(None);
            }
            Disruptive::Deny => InterventionKind::Deny,
            Disruptive::Drop => InterventionKind::Drop,
            Disruptive::Redirect(_) => InterventionKind::Redirect,
            Disruptive::Proxy(_) => InterventionKind::Proxy,
        };
        if phase == 5 {
            // The response is gone; there is nothing left to stop.
            return None;
        }
        let url = match &rule.disruptive {
            Disruptive::Redirect(url) | Disruptive::Proxy(url) => Some(self.expand_to_vec(policy, Some(rule), url)),
            _ => None,
        };
        self.control.interrupted = true;
        self.reports.mark_disruptive();
        let message = self.expand_to_vec(policy, Some(rule), &rule.meta.message);
        Some(Some(Intervention {
            status: rule.status,
            kind,
            rule_id: rule.id,
            url,
            message: String::from_utf8_lossy(&message).into_owned(),
        }))
    }

    /// A test on numbers in `TX`.
    fn holds(&self, quick: Quick) -> bool {
        let number_in = |slot| self.collections.slot(slot).map(|value| numeric::parse(self.store.get(value)));
        match quick {
            Quick::Compare { slot, number, negated, with } => match number_in(slot) {
                None => false,
                Some(value) => {
                    let with = match with {
                        Operand::Constant(with) => with,
                        Operand::Slot(other) => number_in(other).unwrap_or(0),
                    };
                    number.holds(value, with) != negated
                }
            },
            Quick::Count { slot, number, negated, with } => {
                number.holds(i64::from(self.collections.slot(slot).is_some()), with) != negated
            }
        }
    }

    /// Works out which rules of a phase can match the values there are.
    fn find_candidates(&mut self, policy: &Policy, program: &Program) {
        self.candidates.clear();
        self.candidates.resize(program.words.len(), 0);
        if policy.exhaustive {
            self.candidates.fill(u64::MAX);
            return;
        }
        for watch in &program.watches {
            match watch.source {
                Source::Scalar(variable) => {
                    let value = self.collections.scalar(variable);
                    self.look_at(policy, program, watch, value);
                }
                Source::Items(collections, part) => {
                    for collection in collections {
                        for index in 0..self.collections.items(*collection).len() {
                            let Some(item) = self.collections.items(*collection).get(index).copied() else { break };
                            if let Some((key, hash)) = &watch.key {
                                if item.hash != *hash || !self.store.text(item.name).eq_ignore_ascii_case(key) {
                                    continue;
                                }
                            }
                            let value = if part == Part::Values { item.value } else { item.name };
                            self.look_at(policy, program, watch, value);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds the rules of a watch that can match a value.
    fn look_at(&mut self, policy: &Policy, program: &Program, watch: &Watch, value: StringId) {
        self.add_candidates(policy, program, value, &watch.usual);
        let classes = self.store.classes(value);
        let plain = classes & watch.changing == 0;
        for group in &watch.groups {
            if plain && !group.always {
                break;
            }
            if classes & group.changing == 0 && !group.always {
                continue;
            }
            let image = self.image(policy, value, group.chain);
            if image != value {
                self.add_candidates(policy, program, image, &group.rules);
            }
        }
    }

    fn add_candidates(&mut self, policy: &Policy, program: &Program, value: StringId, rules: &[u64]) {
        let prefilter = &policy.parts.prefilter;
        self.store.scan(value, prefilter);
        let gates = self.store.gates(value, prefilter.words());
        let gates = gates.get(program.words.clone()).unwrap_or_default();
        for ((candidates, gates), rules) in self.candidates.iter_mut().zip(gates).zip(rules) {
            *candidates |= gates & rules;
        }
    }

    /// The image of a string under a chain.
    pub(super) fn image(&mut self, policy: &Policy, value: StringId, chain: ChainId) -> StringId {
        self.store.transform(value, chain, &policy.parts.chains)
    }
}
