//! Per phase: which rules run, and which values must be looked at to know which can match.

use std::ops::Range;

use super::chains::{ChainId, Chains};
use super::names::Names;
use super::rule::{Quick, Rule};
use super::setup::Setup;
use super::slices::{Slice, Slices, WHOLE, gate_of};
use crate::prefilter::classes::ClassSet;
use crate::prefilter::set;
use crate::variables::Source;

/// The program of one phase.
#[derive(Default)]
pub(crate) struct Program {
    /// Rules of the phase, by index.
    pub(crate) rules: Range<usize>,
    /// Words of the prefilter's results, and of sets of rules, that belong to the phase.
    pub(crate) words: Range<usize>,
    /// What must be known of each rule before it is run, close together.
    pub(crate) steps: Vec<Step>,
    /// Rules whose first test is negated: what does not open their gates matches.
    pub(crate) negated: Vec<u64>,
    /// All rules.
    pub(crate) whole: Slice,
    /// The rules that the gates let through.
    pub(crate) slices: Slices,
}

/// What the interpreter looks at before it runs a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// A test without which the rule does not match.
    pub(crate) quick: Option<Quick>,
    /// Where a rule goes that does nothing else when its quick test holds.
    pub(crate) jump: Option<usize>,
}

/// Values that some rules test.
pub(crate) struct Watch {
    /// Tells it from all other watches of the policy; below 2^31.
    pub(crate) id: u32,
    /// Number of the target that the rules have in common.
    pub(crate) number: u32,
    pub(crate) source: Source,
    /// Name of the one member that is tested, with its hash; all members without.
    pub(crate) key: Option<(Vec<u8>, u32)>,
    /// Rules that test the values as they are or after transformations that leave most of them alone.
    pub(crate) direct: Look,
    /// Rules that test what becomes of the values after steps the last of which changes any value.
    pub(crate) derived: Vec<(Vec<u8>, Look)>,
}

/// Rules by what they make of values.
#[derive(Default)]
pub(crate) struct Look {
    /// Kinds of bytes that decide what transformations do to a value.
    pub(crate) changing: ClassSet,
    pub(crate) groups: Vec<Group>,
}

/// Rules that test the values after the same steps.
pub(crate) struct Group {
    pub(crate) steps: Vec<u8>,
    pub(crate) rules: Vec<u64>,
}

impl Program {
    /// Builds the program of the rules in `range`, whose bits begin with the first bit of `words`.
    pub(crate) fn build(
        rules: &[Rule],
        range: Range<usize>,
        words: Range<usize>,
        chains: &Chains,
        names: &Names,
        removals: &[Vec<u64>],
    ) -> Program {
        let own = rules.get(range.clone()).unwrap_or_default();
        let width = words.len();
        let steps = own
            .iter()
            .map(|rule| Step { quick: rule.quick, jump: gate_of(rule, range.start).map(|gate| gate.jump) })
            .collect();
        let whole = Slice::build(WHOLE, own, width, chains, |_| true);
        // Later phases find in `TX` what earlier ones left.
        let is_first = own.first().is_some_and(|rule| rule.phase == 1);
        let setup = if is_first { Setup::of(own, range.start, width, removals) } else { Setup::default() };
        let slices = Slices::find(own, range.start, width, chains, names, setup);
        let mut negated = vec![0; width];
        for (position, rule) in own.iter().enumerate() {
            if rule.links.first().is_some_and(|head| head.negated) {
                set(&mut negated, position);
            }
        }
        Program { rules: range, words, steps, negated, whole, slices }
    }
}

impl Watch {
    /// A source of values without rules.
    pub(crate) fn new(id: u32, number: u32, source: Source, key: Option<(Vec<u8>, u32)>) -> Watch {
        Watch { id, number, source, key, direct: Look::default(), derived: Vec::new() }
    }

    /// Adds the rule at a position, which tests the values after a chain.
    pub(crate) fn add(&mut self, chain: ChainId, position: usize, width: usize, chains: &Chains) {
        let steps = chains.get(chain).steps.as_slice();
        let always = steps.iter().position(|step| chains.step(*step).is_some_and(|step| step.always));
        let Some(always) = always else { return self.direct.add(steps, position, width, chains) };
        let (first, rest) = steps.split_at(always + 1);
        let known = self.derived.iter().position(|(known, _)| known == first);
        let index = known.unwrap_or_else(|| {
            self.derived.push((first.to_vec(), Look::default()));
            self.derived.len() - 1
        });
        if let Some((_, look)) = self.derived.get_mut(index) {
            look.add(rest, position, width, chains);
        }
    }
}

impl Look {
    fn add(&mut self, steps: &[u8], position: usize, width: usize, chains: &Chains) {
        let known = self.groups.iter().position(|group| group.steps == steps);
        let index = known.unwrap_or_else(|| {
            let changing = steps.iter().filter_map(|step| chains.step(*step)).filter(|step| !step.always);
            self.changing |= changing.fold(0, |all, step| all | step.changing);
            self.groups.push(Group { steps: steps.to_vec(), rules: vec![0; width] });
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(index) {
            set(&mut group.rules, position);
        }
    }
}

/// Where `skipAfter` goes: for each marker and phase, the places of the marker.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    names: Vec<Vec<u8>>,
    /// Index of the first rule of a phase that stands after the marker, per place of the marker.
    places: Vec<[Vec<usize>; 5]>,
}

impl Markers {
    /// The number of a marker.
    pub(crate) fn intern(&mut self, name: &[u8]) -> u16 {
        let known = self.names.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.to_vec());
            self.places.push(Default::default());
            self.names.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Adds a place of a marker; `after` is the first rule behind it, per phase.
    pub(crate) fn add(&mut self, marker: u16, after: [usize; 5]) {
        if let Some(places) = self.places.get_mut(usize::from(marker)) {
            for (places, rule) in places.iter_mut().zip(after) {
                places.push(rule);
            }
        }
    }

    /// The first rule behind the first place of the marker that follows the rule at `from`.
    pub(crate) fn after(&self, marker: u16, phase: u8, from: usize) -> Option<usize> {
        let places = self.places.get(usize::from(marker))?.get(usize::from(phase).checked_sub(1)?)?;
        places.iter().copied().find(|place| *place > from)
    }

    /// The first rule behind the marker in a phase that a skip reached from an earlier one.
    pub(crate) fn first(&self, marker: u16, phase: u8) -> Option<usize> {
        self.places.get(usize::from(marker))?.get(usize::from(phase).checked_sub(1)?)?.first().copied()
    }
}
