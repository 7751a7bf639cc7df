//! Runs a phase as its rules are written: one after the other, each on every value.
//!
//! Slow and obviously right. Exhaustive policies run so, which the fast way is compared with, and so
//! do traced transactions, which have something to say about every rule.

use std::ops::Range;

use parapet_seclang::ast::EngineMode;

use super::State;
use super::budget::PER_RULE;
use crate::policy::Policy;
use crate::policy::rule::{Flow, Rule};
use crate::prefilter;
use crate::trace::Reason;
use crate::verdict::Intervention;

impl State {
    /// Runs a phase.
    pub(super) fn run_phase_plainly(&mut self, policy: &Policy, phase: u8) -> Option<Intervention> {
        let rules = policy.parts.programs.get(usize::from(phase).checked_sub(1)?)?.rules.clone();
        self.note_phase(phase);
        if self.control.engine == EngineMode::Off || self.is_let_through(phase) {
            self.note_left_out(policy, rules, Reason::PhaseNotRun);
            return None;
        }
        let mut next = rules.start;
        if let Some(marker) = self.control.pending_skip {
            // A skip that an earlier phase could not finish lasts until its marker is met.
            let target = policy.parts.markers.first(marker, phase);
            let skipped = rules.start..target.unwrap_or(rules.end);
            self.note_left_out(policy, skipped, Reason::Skipped { by: self.skipping_rule() });
            next = target?;
            self.control.pending_skip = None;
        }
        while next < rules.end {
            if self.is_over_budget() {
                return None;
            }
            let (index, rule) = (next, policy.parts.rules.get(next)?);
            next += 1;
            if prefilter::is_set(&self.control.removed, rule.bit as usize) {
                self.note_left_out(policy, index..next, Reason::RemovedByCtl { by: self.removing_rule(policy, rule) });
                continue;
            }
            self.store.budget.spend(PER_RULE);
            let matched = match self.recorder {
                Some(_) => self.run_rule_traced(policy, rule, index),
                None => self.run_rule(policy, rule, index),
            };
            if !matched {
                continue;
            }
            let outcome = self.decide(policy, rule, phase);
            self.note_decision(rule, phase);
            if let Some(outcome) = outcome {
                self.note_left_out(policy, next..rules.end, Reason::Ended { by: rule.id });
                return outcome;
            }
            if self.control.engine == EngineMode::Off {
                self.note_left_out(policy, next..rules.end, Reason::EngineOff { by: Some(rule.id) });
                return None;
            }
            let target = self.follow(rule, next, &rules);
            if rule.flow != Flow::Next {
                self.note_skip(policy, rule, next..target.min(rules.end));
            }
            next = target;
        }
        None
    }

    /// Where a rule that matched leads: `next`, or further on.
    fn follow(&mut self, rule: &Rule, next: usize, rules: &Range<usize>) -> usize {
        match rule.flow {
            Flow::Next => next,
            Flow::Skip(count) => next.saturating_add(count as usize),
            Flow::SkipAfter { rule: Some(target), .. } => target as usize,
            Flow::SkipAfter { rule: None, marker } => {
                self.control.pending_skip = Some(marker);
                rules.end
            }
        }
    }
}
