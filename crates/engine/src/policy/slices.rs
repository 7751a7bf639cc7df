//! Slices of a phase: the rules that can run, given how its gates stand.
//!
//! CRS guards the rules of each paranoia level with rules that do nothing but skip
//! (`SecRule TX:DETECTION_PARANOIA_LEVEL "@lt 2" "…,skipAfter:END"`). Such a *gate* compares numbers in
//! `TX`. Behind the last rule of the phase that writes one of those numbers (the *split*), all gates
//! stand as they will for the rest of the phase; what they cut off need not be looked at, and they
//! need not run. Slices are built when first needed and kept by the outcomes of the gates.

use std::sync::OnceLock;

use super::chains::Chains;
use super::names::{Names, Slot};
use super::program::Watch;
use super::rule::{Disruptive, Effect, Flow, Operand, Quick, Rule};
use super::setup::Setup;
use super::targets::Select;
use super::template::Piece;
use crate::prefilter::{is_set, set};

/// Slices kept per phase; a policy with paranoia levels needs one for each level in use.
const MOST_SLICES: usize = 32;
/// Numbers of the slices that every phase has; those that depend on its gates come after them.
pub(crate) const WHOLE: u32 = 0;
const PRELUDE: u32 = 1;
const FIRST_KEPT: u32 = 2;
/// Different conditions that gates may have, one bit each.
const MOST_CONDITIONS: usize = 64;

/// Rules of a phase that run, and the values that decide which of them can match.
#[derive(Default)]
pub(crate) struct Slice {
    /// Rules that run whatever the values are.
    pub(crate) always: Vec<u64>,
    /// Where the values of the other rules come from.
    pub(crate) watches: Vec<Watch>,
}

/// A rule that does nothing but skip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    /// Holds: the skip is taken.
    pub(crate) quick: Quick,
    /// Position that it skips to.
    pub(crate) jump: usize,
}

/// The gates of a phase and the slices they make.
#[derive(Default)]
pub(crate) struct Slices {
    /// Position from which on the gates stand fast.
    pub(crate) split: usize,
    /// What rules that need not run make of `TX`.
    pub(crate) setup: Setup,
    /// Rules before the split.
    pub(crate) prelude: Slice,
    /// Conditions of the gates behind the split.
    pub(crate) conditions: Vec<Quick>,
    /// Gates behind the split by position, with the number of their condition.
    gates: Vec<(usize, Gate, usize)>,
    /// The same as bits, to see whether one of them was removed.
    pub(crate) gate_bits: Vec<u64>,
    /// Slices by the outcomes of the conditions, in the order in which they were needed.
    kept: Vec<OnceLock<(u64, Slice)>>,
}

impl Slice {
    /// The slice with a number in its phase, of the rules whose positions are included.
    pub(crate) fn build(
        number: u32,
        rules: &[Rule],
        width: usize,
        chains: &Chains,
        include: impl Fn(usize) -> bool,
    ) -> Slice {
        let mut slice = Slice { always: vec![0; width], watches: Vec::new() };
        for (position, rule) in rules.iter().enumerate().filter(|(position, _)| include(*position)) {
            match rule.links.first() {
                Some(head) if head.is_steady() => {
                    for target in &head.targets {
                        let key = match &target.select {
                            Select::Key { key, hash } => Some((key.to_ascii_lowercase(), *hash)),
                            _ => None,
                        };
                        let known = slice.watches.iter().position(|watch| watch.number == target.number);
                        let index = known.unwrap_or_else(|| {
                            let index = slice.watches.len();
                            // 32 slices and the two others take six bits, and 22 are more targets than fit.
                            let id = u32::from(rule.phase) << 28 | number << 22 | index as u32;
                            slice.watches.push(Watch::new(id, target.number, target.source, key));
                            index
                        });
                        if let Some(watch) = slice.watches.get_mut(index) {
                            head.tested_after.iter().for_each(|chain| watch.add(*chain, position, width, chains));
                        }
                    }
                }
                _ => set(&mut slice.always, position),
            }
        }
        slice
    }
}

/// The gate that a rule is, if it does nothing but skip within its phase.
pub(crate) fn gate_of(rule: &Rule, start: usize) -> Option<Gate> {
    let [link] = rule.links.as_slice() else { return None };
    let silent = !rule.log && !rule.auditlog && rule.meta.severity.is_none();
    let idle = link.effects.is_empty() && !link.capture && matches!(rule.disruptive, Disruptive::Pass);
    match rule.flow {
        Flow::SkipAfter { rule: Some(target), .. } if silent && idle => {
            Some(Gate { quick: rule.quick?, jump: (target as usize).checked_sub(start)? })
        }
        _ => None,
    }
}

impl Slices {
    /// Finds the gates of a phase whose rules begin at index `start`, and where they stand fast.
    pub(crate) fn find(
        rules: &[Rule],
        start: usize,
        width: usize,
        chains: &Chains,
        names: &Names,
        setup: Setup,
    ) -> Slices {
        let gates: Vec<(usize, Gate)> =
            rules.iter().enumerate().filter_map(|(at, rule)| Some((at, gate_of(rule, start)?))).collect();
        // For each gate, the position behind the last rule that writes what it compares.
        let fast: Vec<usize> = gates.iter().map(|(_, gate)| behind_last_write(rules, gate.quick, names)).collect();
        let useful =
            |split: usize| gates.iter().zip(&fast).filter(|((at, _), fast)| *at >= split && **fast <= split).count();
        let split = fast.iter().copied().max_by_key(|split| (useful(*split), usize::MAX - split)).unwrap_or(0);
        let mut slices = Slices { split, gate_bits: vec![0; width], ..Slices::default() };
        slices.kept.resize_with(MOST_SLICES, OnceLock::new);
        for ((at, gate), fast) in gates.iter().zip(&fast) {
            if *at < split || *fast > split {
                continue;
            }
            let known = slices.conditions.iter().position(|condition| *condition == gate.quick);
            if known.is_none() && slices.conditions.len() >= MOST_CONDITIONS {
                continue;
            }
            let condition = known.unwrap_or_else(|| {
                slices.conditions.push(gate.quick);
                slices.conditions.len() - 1
            });
            slices.gates.push((*at, *gate, condition));
            set(&mut slices.gate_bits, *at);
        }
        slices.prelude = Slice::build(PRELUDE, rules, width, chains, |at| at < split && !is_set(&setup.done, at));
        slices.setup = setup;
        slices
    }

    /// The slice behind the split when the conditions hold whose bits are set in `outcomes`; `None`
    /// if there are too many already.
    pub(crate) fn of(&self, outcomes: u64, rules: &[Rule], start: usize, chains: &Chains) -> Option<&Slice> {
        let build = |place: usize| {
            let runs = self.runs(outcomes, rules, start);
            let width = self.gate_bits.len();
            (
                outcomes,
                Slice::build(FIRST_KEPT + place as u32, rules, width, chains, |at| {
                    runs.get(at).copied().unwrap_or(false) && !is_set(&self.setup.done, at)
                }),
            )
        };
        // Another transaction may fill the place first, with a slice for other outcomes.
        let mut places = self.kept.iter().enumerate().map(|(at, place)| place.get_or_init(|| build(at)));
        places.find(|(known, _)| *known == outcomes).map(|(_, slice)| slice)
    }

    /// Which rules run: those that can be reached from the split, without the gates whose skip
    /// passes over nothing that can be reached in another way.
    fn runs(&self, outcomes: u64, rules: &[Rule], start: usize) -> Vec<bool> {
        let gate_at = |at: usize| self.gates.iter().find(|(position, ..)| *position == at);
        let mut reachable = vec![false; rules.len()];
        let mut open = vec![self.split];
        while let Some(at) = open.pop() {
            let (Some(rule), Some(seen)) = (rules.get(at), reachable.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            match gate_at(at) {
                Some((_, gate, condition)) => {
                    open.push(if outcomes >> condition & 1 == 1 { gate.jump } else { at + 1 });
                }
                None => {
                    open.push(at + 1);
                    match rule.flow {
                        Flow::Next | Flow::SkipAfter { rule: None, .. } => {}
                        Flow::Skip(count) => open.push(at + 1 + count as usize),
                        Flow::SkipAfter { rule: Some(target), .. } => {
                            open.push((target as usize).saturating_sub(start));
                        }
                    }
                }
            }
        }
        let mut runs = reachable.clone();
        for (at, gate, condition) in &self.gates {
            let holds = outcomes >> condition & 1 == 1;
            let passes_over = reachable.get(at + 1..gate.jump).unwrap_or_default();
            if let Some(run) = runs.get_mut(*at) {
                *run &= holds && passes_over.contains(&true);
            }
        }
        runs
    }
}

/// Position behind the last rule that writes what a condition compares.
fn behind_last_write(rules: &[Rule], quick: Quick, names: &Names) -> usize {
    let slots: [Option<Slot>; 2] = match quick {
        Quick::Compare { slot, with: Operand::Slot(other), .. } => [Some(slot), Some(other)],
        Quick::Compare { slot, .. } | Quick::Count { slot, .. } => [Some(slot), None],
    };
    let writes = |rule: &Rule| {
        rule.links.iter().any(|link| {
            let captured = link.capture && slots.iter().flatten().any(|slot| slot.0 < 10);
            captured
                || link.runs_script()
                || link.effects.iter().any(|effect| match effect {
                    Effect::SetTx { slot, .. } => slots.contains(&Some(*slot)),
                    // A name that is built at run time may be any that begins like its fixed part.
                    Effect::SetTxNamed { name, .. } => slots.iter().flatten().any(|slot| {
                        let spelled = names.spelled(*slot);
                        match name.pieces.first() {
                            Some(Piece::Text(fixed)) => {
                                spelled.get(..fixed.len()).is_some_and(|start| start.eq_ignore_ascii_case(fixed))
                            }
                            _ => true,
                        }
                    }),
                    _ => false,
                })
        })
    };
    rules.iter().rposition(writes).map_or(0, |at| at + 1)
}
