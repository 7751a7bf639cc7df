//! Runs the rules of a phase.

use parapet_seclang::ast::{AllowScope, EngineMode};

use super::State;
use super::budget::PER_RULE;
use crate::limits::Limit;
use crate::operators::numeric;
use crate::policy::Policy;
use crate::policy::chains::ChainId;
use crate::policy::program::Program;
use crate::policy::rule::{Disruptive, Flow, Quick, Rule};
use crate::policy::slices::Slice;
use crate::prefilter;
use crate::transaction::store::StringId;
use crate::verdict::{Intervention, InterventionKind};

/// Where a phase stands.
struct Run<'a> {
    program: &'a Program,
    slice: &'a Slice,
    position: usize,
    /// Position at which the slice ends.
    end: usize,
    /// Whether the slice relies on the gates.
    is_sliced: bool,
}

impl<'a> Run<'a> {
    fn new(program: &'a Program) -> Run<'a> {
        let slice = &program.slices.prelude;
        Run { program, slice, position: 0, end: program.slices.split, is_sliced: true }
    }

    /// Takes all rules, from the position on.
    fn use_whole(&mut self) {
        self.slice = &self.program.whole;
        self.end = self.program.rules.len();
        self.is_sliced = false;
    }
}

impl State {
    /// Runs a phase. Only phase 5 runs after an intervention or an `allow` of everything.
    pub(super) fn run_phase_quickly(&mut self, policy: &Policy, phase: u8) -> Option<Intervention> {
        if self.control.engine == EngineMode::Off || self.is_let_through(phase) || self.is_over_budget() {
            return None;
        }
        let program = policy.parts.programs.get(usize::from(phase).checked_sub(1)?)?;
        if phase == 1 {
            self.store.tools.get_or_insert_default().recall.begin();
        }
        let mut run = Run::new(program);
        if let Some(marker) = self.control.pending_skip {
            // A skip that an earlier phase could not finish lasts until its marker is met.
            let rule = policy.parts.markers.first(marker, phase)?;
            self.control.pending_skip = None;
            run.position = rule.saturating_sub(program.rules.start);
            run.use_whole();
        }
        if !self.gates_stand(policy, program) || (run.is_sliced && !self.set_up(program)) {
            run.use_whole();
        }
        self.find_candidates(policy, program, run.slice);
        let intervention = self.run_rules(policy, &mut run, phase);
        self.learn(policy, program, run.slice);
        intervention
    }

    fn run_rules<'a>(&mut self, policy: &'a Policy, run: &mut Run<'a>, phase: u8) -> Option<Intervention> {
        let program = run.program;
        loop {
            let Some(next) = self.next_rule(run) else {
                if run.end >= program.rules.len() {
                    return None;
                }
                self.pass_split(policy, run);
                continue;
            };
            run.position = next + 1;
            let index = program.rules.start + next;
            let step = program.steps.get(next)?;
            if prefilter::is_set(&self.control.removed, program.words.start * 64 + next) {
                continue;
            }
            if let Some(quick) = step.quick.filter(|_| self.may_be_quick(policy)) {
                if !self.holds(quick) {
                    continue;
                }
                if let Some(jump) = step.jump {
                    run.position = jump;
                    continue;
                }
            }
            if self.is_over_budget() {
                return None;
            }
            self.store.budget.spend(PER_RULE);
            let rule = policy.parts.rules.get(index)?;
            match step.quick.filter(|_| rule.links.len() == 1 && self.may_be_quick(policy)) {
                // The quick test was the whole test.
                Some(quick) => self.match_quickly(policy, rule, index, quick),
                None if self.run_rule(policy, rule, index) => {}
                None => continue,
            }
            if let Some(outcome) = self.decide(policy, rule, phase) {
                return outcome;
            }
            if self.control.engine == EngineMode::Off {
                return None;
            }
            match rule.flow {
                Flow::Next => {}
                Flow::Skip(count) => run.position += count as usize,
                Flow::SkipAfter { rule: Some(target), .. } => {
                    run.position = (target as usize).saturating_sub(program.rules.start);
                }
                Flow::SkipAfter { rule: None, marker } => {
                    self.control.pending_skip = Some(marker);
                    return None;
                }
            }
            if run.is_sliced && !self.gates_stand(policy, program) {
                run.use_whole();
                self.find_candidates(policy, program, run.slice);
            }
        }
    }

    /// Whether numbers in `TX` decide quick tests: not if `ctl` may have taken them out of a rule.
    fn may_be_quick(&self, policy: &Policy) -> bool {
        !policy.parts.tx_removals || self.control.target_removals.is_empty()
    }

    /// Whether all gates of a phase are in force.
    fn gates_stand(&self, policy: &Policy, program: &Program) -> bool {
        let removed = self.control.removed.get(program.words.clone()).unwrap_or_default();
        self.may_be_quick(policy)
            && removed.iter().zip(&program.slices.gate_bits).all(|(removed, gates)| removed & gates == 0)
    }

    /// Goes on behind the split of a phase, with the slice that the gates leave.
    fn pass_split<'a>(&mut self, policy: &'a Policy, run: &mut Run<'a>) {
        self.learn(policy, run.program, run.slice);
        let slices = &run.program.slices;
        let mut outcomes = 0u64;
        for (bit, condition) in slices.conditions.iter().enumerate() {
            outcomes |= u64::from(self.holds(*condition)) << bit;
        }
        let rules = policy.parts.rules.get(run.program.rules.clone()).unwrap_or_default();
        let slice = slices.of(outcomes, rules, run.program.rules.start, &policy.parts.chains);
        // A skip may already have led beyond the split, past gates that the slice takes for granted.
        match slice.filter(|_| run.position <= slices.split) {
            Some(slice) => {
                run.slice = slice;
                run.position = slices.split;
                run.end = run.program.rules.len();
                run.is_sliced = true;
            }
            None => run.use_whole(),
        }
        self.find_candidates(policy, run.program, run.slice);
    }

    /// Whether the steps are used up: then no rule runs any more.
    pub(super) fn is_over_budget(&mut self) -> bool {
        let spent = self.store.budget.is_spent();
        if spent {
            self.store.budget.meet(Limit::Steps);
        }
        spent
    }

    /// Whether an earlier `allow` or intervention leaves this phase out.
    pub(super) fn is_let_through(&self, phase: u8) -> bool {
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

    /// The first rule at or after the run's position that may match.
    fn next_rule(&self, run: &Run<'_>) -> Option<usize> {
        let mut word = run.position / 64;
        let mut mask = u64::MAX << (run.position % 64);
        while let Some(always) = run.slice.always.get(word) {
            let bits = (always | self.candidates.rules.get(word).copied().unwrap_or(0)) & mask;
            if bits != 0 {
                let position = word * 64 + bits.trailing_zeros() as usize;
                return (position < run.end).then_some(position);
            }
            mask = u64::MAX;
            word += 1;
        }
        None
    }

    /// What a matching rule's disruptive action does now: `Some` ends the phase.
    pub(super) fn decide(&mut self, policy: &Policy, rule: &Rule, phase: u8) -> Option<Option<Intervention>> {
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
        };
        if phase == 5 {
            // The response is gone; there is nothing left to stop.
            return None;
        }
        let url = match &rule.disruptive {
            Disruptive::Redirect(url) => Some(self.expand_to_vec(policy, Some(rule), url)),
            _ => None,
        };
        self.control.interrupted = true;
        self.control.status = rule.status;
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
        quick.holds(|slot| self.collections.slot(slot).map(|value| numeric::parse(self.store.get(value))))
    }

    /// Takes over what the rules that set `TX` up come to; whether there was room for it.
    fn set_up(&mut self, program: &Program) -> bool {
        let setup = &program.slices.setup;
        let text = self.store.push(&setup.text);
        if text.len() < setup.text.len() {
            return false;
        }
        for (slot, part) in &setup.values {
            self.collections.set_slot(*slot, Some(text.part(part.start, part.end)));
        }
        true
    }

    /// The image of a string under a chain.
    pub(super) fn image(&mut self, policy: &Policy, value: StringId, chain: ChainId) -> StringId {
        self.store.transform(value, chain, &policy.parts.chains)
    }
}
