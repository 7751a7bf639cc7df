//! How the values of a target are looked at, given the kinds of bytes they have.
//!
//! The rules of a target transform its values in dozens of ways, but most transformations leave most
//! values alone. Which steps can do something follows from the kinds of bytes of a value; chains that
//! agree in those steps make the same of it. A plan puts their rules together, and is remembered.

use crate::policy::chains::Chains;
use crate::policy::program::{Group, Look};
use crate::prefilter::classes::{self, ClassSet};

/// Plans remembered.
const REMEMBERED: usize = 256;
/// Places that a plan may be in. One would not do: where the rules happen to lie in memory would decide
/// whether two plans that every request needs drive each other out.
const PLACES: usize = 4;

/// Different ways to transform a value, with the rules that test it so.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The rules, by their address, and the kinds of bytes that the plan is for.
    key: (usize, ClassSet),
    pub(super) ways: Vec<Way>,
}

/// One of these ways.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) steps: Vec<u8>,
    pub(super) rules: Vec<Rules>,
}

/// Some rules of a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Index of the word that has their bits, in the phase.
    pub(super) word: usize,
    pub(super) bits: u64,
    /// Those that match what does not open their gates.
    pub(super) negated: u64,
}

impl Rules {
    /// Those that some gates of the phase let through.
    #[inline]
    pub(super) fn open(&self, gates: &[u64]) -> u64 {
        gates.get(self.word).copied().unwrap_or(0) & self.bits | self.negated
    }
}

/// Plans for targets and kinds of bytes met before.
#[derive(Debug, Default)]
pub(super) struct Plans {
    known: Vec<Plan>,
    /// Which of its places the next new plan takes.
    next: usize,
}

impl Plans {
    /// The plan for a value with these kinds of bytes. `negated` are the rules of the phase
    /// that match what does not open their gates.
    pub(super) fn of(&mut self, look: &Look, value: ClassSet, chains: &Chains, negated: &[u64]) -> &Plan {
        if self.known.is_empty() {
            self.known.resize_with(REMEMBERED, Plan::default);
        }
        // A policy does not move its rules, and these plans belong to one policy.
        let key = (std::ptr::from_ref(look) as usize, value & look.changing);
        let mixed = (key.0 as u64 >> 3 ^ key.1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = (mixed >> 56) as usize % (REMEMBERED / PLACES) * PLACES;
        let places = &mut self.known[first..first + PLACES];
        let place = places.iter().position(|plan| plan.key == key).unwrap_or_else(|| {
            self.next = (self.next + 1) % PLACES;
            places[self.next] = Plan::new(key, look, chains, negated);
            self.next
        });
        &places[place]
    }
}

impl Plan {
    fn new(key: (usize, ClassSet), look: &Look, chains: &Chains, negated: &[u64]) -> Plan {
        let mut ways: Vec<(Vec<u8>, Vec<u64>)> = Vec::new();
        for group in &look.groups {
            let steps = acting_steps(group, key.1, chains);
            match ways.iter_mut().find(|(known, _)| *known == steps) {
                Some((_, rules)) => rules.iter_mut().zip(&group.rules).for_each(|(all, some)| *all |= some),
                None => ways.push((steps, group.rules.clone())),
            }
        }
        let rules = |row: &[u64]| {
            let words = row.iter().zip(negated).enumerate().filter(|(_, (bits, _))| **bits != 0);
            words.map(|(word, (bits, negated))| Rules { word, bits: *bits, negated: bits & negated }).collect()
        };
        Plan { key, ways: ways.into_iter().map(|(steps, row)| Way { steps, rules: rules(&row) }).collect() }
    }
}

/// The steps of a group that can do something to a value with these kinds of bytes.
fn acting_steps(group: &Group, value: ClassSet, chains: &Chains) -> Vec<u8> {
    let mut now = value;
    let mut steps = group.steps.clone();
    steps.retain(|step| {
        let Some(step) = chains.step(*step) else { return true };
        let acts = step.always || step.changing & now != 0;
        if acts {
            now = classes::after(step.transformation, now);
        }
        acts
    });
    steps
}
