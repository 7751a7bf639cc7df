//! Keeps the trace of a transaction within its bounds, and notes why rules do not run.

use std::ops::Range;

use parapet_seclang::ast::{AllowScope, EngineMode};

use super::State;
use crate::operators::Number;
use crate::policy::Policy;
use crate::policy::rule::{Disruptive, Operand, Quick, RemovedRule, Rule};
use crate::prefilter;
use crate::trace::{
    Disruption, EffectTrace, Excerpt, LinkTrace, Outcome, Place, Points, Reason, RuleTrace, Trace, TraceLimits,
};

/// Bytes that an entry of the trace is taken to have beside its text.
const ENTRY: usize = 128;

/// A trace that is being written.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    limits: TraceLimits,
    used: usize,
    trace: Trace,
    /// What the current test changed.
    pub(super) effects: Vec<EffectTrace>,
    /// Points that the current test gave.
    pub(super) points: Vec<Points>,
    /// Removals by `ctl` that are in force, by their index, and the rules that asked for them.
    pub(super) rule_removals: Vec<(u16, u32)>,
    pub(super) target_removals: Vec<(u16, u32)>,
    /// The rule whose skip waits for its marker.
    skipping: u32,
    /// The rule that stopped the transaction, or let it through.
    ended_by: Option<u32>,
    /// The rule that turned the engine off.
    off_by: Option<u32>,
    /// Phases that the caller ran.
    ran: [bool; 5],
}

impl Recorder {
    pub(super) fn new(limits: TraceLimits) -> Recorder {
        Recorder { limits, ..Recorder::default() }
    }

    /// A value, cut to what is kept of one; around `span`, if that lies beyond.
    pub(super) fn excerpt(&mut self, value: &[u8], span: Option<(usize, usize)>) -> Excerpt {
        let most = self.limits.value_bytes.min(self.limits.bytes.saturating_sub(self.used));
        let start = match span {
            Some((start, end)) if end > most => start.saturating_sub(most / 4),
            _ => 0,
        };
        let end = start.saturating_add(most).min(value.len());
        let bytes = value.get(start..end).unwrap_or_default().to_vec();
        self.used += bytes.len();
        Excerpt { bytes, start, length: value.len() }
    }

    /// Whether a test is to be kept. If the trace is full, it is counted and what it changed forgotten.
    pub(super) fn keeps(&mut self, matched: bool) -> bool {
        (matched || self.limits.failed_tests) && self.has_room()
    }

    /// Whether there is room for another entry, which otherwise is counted.
    pub(super) fn has_room(&mut self) -> bool {
        if self.used < self.limits.bytes {
            self.used += ENTRY;
            return true;
        }
        self.trace.left_out += 1;
        self.effects.clear();
        self.points.clear();
        false
    }

    /// Counts an entry of the trace that is always kept.
    pub(super) fn count_entry(&mut self) {
        self.used += ENTRY;
    }

    /// Puts the points of the current test into the ledger.
    pub(super) fn book(&mut self, variable: &Excerpt, found: &Excerpt) {
        for mut points in self.points.drain(..) {
            self.used += ENTRY + variable.bytes.len() + found.bytes.len();
            (points.variable, points.found) = (variable.clone(), found.clone());
            self.trace.ledger.push(points);
        }
    }

    /// Adds a rule.
    pub(super) fn push(&mut self, rule: &Rule, message: &[u8], data: &[u8], outcome: Outcome, links: Vec<LinkTrace>) {
        self.count_entry();
        let (message, data) = (self.excerpt(message, None), self.excerpt(data, None));
        self.trace.rules.push(RuleTrace {
            id: rule.id,
            phase: rule.phase,
            place: Place { file: rule.meta.file.clone(), line: rule.meta.line },
            message,
            data,
            severity: rule.meta.severity,
            log: rule.log,
            outcome,
            links,
        });
    }

    fn push_removed(&mut self, rule: &RemovedRule) {
        self.count_entry();
        self.trace.rules.push(RuleTrace {
            id: rule.id,
            phase: rule.phase,
            place: rule.place.clone(),
            message: Excerpt::default(),
            data: Excerpt::default(),
            severity: None,
            log: false,
            outcome: Outcome::LeftOut(Reason::RemovedByDirective(rule.by.clone())),
            links: Vec::new(),
        });
    }
}

impl State {
    /// Records this transaction, which from now on runs plainly.
    pub(super) fn record(&mut self, limits: TraceLimits) {
        self.plain = true;
        self.store.transform_anew();
        // Explaining takes more steps than deciding; what it says must not depend on that.
        self.store.budget.lift();
        self.recorder = Some(Box::new(Recorder::new(limits)));
    }

    /// The trace, completed by the rules that had no chance to run.
    pub(super) fn take_trace(&mut self, policy: &Policy) -> Option<Trace> {
        let ran = self.recorder.as_ref()?.ran;
        for (program, _) in policy.parts.programs.iter().zip(ran).filter(|(_, ran)| !ran) {
            self.note_left_out(policy, program.rules.clone(), Reason::PhaseNotRun);
        }
        let mut recorder = self.recorder.take()?;
        policy.parts.removed_rules.iter().for_each(|rule| recorder.push_removed(rule));
        Some(recorder.trace)
    }

    /// Notes rules that do not run. Of those that do not because of `PhaseNotRun`, the true reason is
    /// noted if there is another.
    pub(super) fn note_left_out(&mut self, policy: &Policy, rules: Range<usize>, reason: Reason) {
        let rules = policy.parts.rules.get(rules).unwrap_or_default();
        let let_through = rules.first().is_some_and(|rule| self.is_let_through(rule.phase));
        let Some(recorder) = &mut self.recorder else { return };
        let reason = match (reason, recorder.ended_by) {
            (Reason::PhaseNotRun, _) if self.control.engine == EngineMode::Off => {
                Reason::EngineOff { by: recorder.off_by }
            }
            (Reason::PhaseNotRun, Some(by)) if let_through => Reason::Ended { by },
            (reason, _) => reason,
        };
        for rule in rules {
            let message = rule.meta.message.plain().unwrap_or_default();
            recorder.push(rule, message, b"", Outcome::LeftOut(reason.clone()), Vec::new());
        }
    }

    /// Notes what the rule that has just matched, and been noted, demanded.
    pub(super) fn note_decision(&mut self, rule: &Rule, phase: u8) {
        let mode = self.control.engine;
        let Some(recorder) = &mut self.recorder else { return };
        if mode == EngineMode::Off {
            recorder.off_by = Some(rule.id);
        }
        let is_allow = matches!(rule.disruptive, Disruptive::Allow(_));
        let action = match &rule.disruptive {
            Disruptive::Pass => return,
            Disruptive::Allow(_) => "allow",
            Disruptive::Deny => "deny",
            Disruptive::Drop => "drop",
            Disruptive::Redirect(_) => "redirect",
        };
        let enforced = mode == EngineMode::On && (is_allow || phase != 5);
        if enforced && !matches!(rule.disruptive, Disruptive::Allow(AllowScope::Phase)) {
            recorder.ended_by = Some(rule.id);
        }
        if let Some(RuleTrace { outcome: Outcome::Matched { disruption }, .. }) = recorder.trace.rules.last_mut() {
            *disruption = Some(Disruption { action, status: if is_allow { 0 } else { rule.status }, enforced });
        }
    }

    /// Notes rules that a rule that has just matched passes over.
    pub(super) fn note_skip(&mut self, policy: &Policy, rule: &Rule, passed_over: Range<usize>) {
        let by = rule.id;
        let reason = match rule.quick {
            Some(Quick::Compare { slot, number: Number::Lt, negated: false, with: Operand::Constant(level) })
                if policy.parts.names.spelled(slot).to_ascii_lowercase().ends_with(b"paranoia_level") =>
            {
                Reason::ParanoiaGate { by, level }
            }
            _ => Reason::Skipped { by },
        };
        self.note_left_out(policy, passed_over, reason);
        if let Some(recorder) = &mut self.recorder {
            recorder.skipping = by;
        }
    }

    /// The rule whose skip is under way.
    pub(super) fn skipping_rule(&self) -> u32 {
        self.recorder.as_ref().map(|recorder| recorder.skipping).unwrap_or_default()
    }

    /// The rule whose `ctl` removed a rule.
    pub(super) fn removing_rule(&self, policy: &Policy, rule: &Rule) -> u32 {
        let removals = self.recorder.as_ref().map(|recorder| recorder.rule_removals.as_slice()).unwrap_or_default();
        let includes = |index: u16| {
            let bits = policy.parts.removals.get(usize::from(index));
            bits.is_some_and(|bits| prefilter::is_set(bits, rule.bit as usize))
        };
        removals.iter().find(|(index, _)| includes(*index)).map(|(_, by)| *by).unwrap_or_default()
    }

    /// Notes that a phase runs.
    pub(super) fn note_phase(&mut self, phase: u8) {
        let ran = self.recorder.as_mut().and_then(|recorder| recorder.ran.get_mut(usize::from(phase).wrapping_sub(1)));
        if let Some(ran) = ran {
            *ran = true;
        }
    }
}
