//! Works out which rules of a phase can match which values.
//!
//! Values are looked at once per phase, before its rules run: each distinct image of a value is searched
//! for what rules need, and every rule whose gate it opens gets a [`Hit`]. A rule without hits need not
//! run, and one with hits tests those values only. What is found out is remembered for values that come
//! again ([`recall`](super::recall)).

use std::ops::Range;

use smallvec::SmallVec;

use super::State;
use super::plans::Plans;
use super::recall::{Left, MOST_LEFT};
use super::store::StringId;
use crate::policy::Policy;
use crate::policy::program::{Program, Watch};
use crate::policy::slices::Slice;
use crate::prefilter::{Prefilter, is_set};
use crate::variables::{Part, Source};

/// No hit.
const NONE: u32 = u32::MAX;

/// A value that a rule has to test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// Number of the target that has the value.
    pub(super) target: u32,
    /// The operator cannot match the value: a negated rule matches it without a test.
    pub(super) is_decided: bool,
    /// Place of the value among those of its target.
    ordinal: u32,
    /// Name of the value; a variable that has one value has no names.
    pub(super) name: Option<StringId>,
    pub(super) value: StringId,
    /// What the rule's transformations make of it, unless it is only known that the rule has to test it.
    pub(super) image: Option<StringId>,
    next: u32,
}

/// The hits of a rule.
#[derive(Debug, Clone, Copy, Default)]
struct List {
    first: u32,
    last: u32,
    /// Its targets that have hits, each as the bit of its number modulo 64.
    targets: u64,
}

/// Hits of the rules of a phase.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Rules with hits, by position in the phase.
    pub(super) rules: Vec<u64>,
    /// The hits of those rules; what is in the places of others means nothing.
    lists: Vec<List>,
    hits: Vec<Hit>,
    /// The bit of the first rule of the phase.
    first_bit: usize,
    /// Values that came again, were searched, and some rule of a watch has to test, with the index of the
    /// watch in the slice.
    searched: Vec<(u32, StringId)>,
    /// Images that a negated rule has tested and does not match, after the position of the rule.
    settled: Vec<(u32, StringId)>,
}

/// Values that are looked at once more when the rules have run, and tests of negated rules noted.
const MOST_NOTED: usize = 256;

impl Candidates {
    fn reset(&mut self, words: &Range<usize>) {
        self.searched.clear();
        self.settled.clear();
        self.rules.clear();
        self.rules.resize(words.len(), 0);
        self.lists.resize(words.len() * 64, List::default());
        self.hits.clear();
        self.first_bit = words.start * 64;
    }

    /// The hits of a target of the rule with this bit, in the order of its values.
    pub(super) fn of(&self, bit: u32, target: u32) -> impl Iterator<Item = Hit> {
        let position = (bit as usize).checked_sub(self.first_bit).filter(|position| is_set(&self.rules, *position));
        let list = position.and_then(|position| self.lists.get(position));
        let mut next = list.filter(|list| list.targets & target_bit(target) != 0).map_or(NONE, |list| list.first);
        let hits = std::iter::from_fn(move || {
            let hit = self.hits.get(next as usize)?;
            next = hit.next;
            Some(*hit)
        });
        hits.filter(move |hit| hit.target == target)
    }

    /// Notes a value for a rule.
    fn note(&mut self, seen: Seen, image: Option<StringId>, Left { position, is_decided }: Left) {
        let Some(rules) = self.rules.get_mut(position as usize / 64) else { return };
        let is_first = *rules >> (position % 64) & 1 == 0;
        *rules |= 1 << (position % 64);
        let Seen { target, ordinal, name, value } = seen;
        self.add(position as usize, Hit { target, is_decided, ordinal, name, value, image, next: NONE }, is_first);
    }

    /// Notes that the negated rule with this bit has tested an image and does not match it.
    pub(super) fn settle(&mut self, bit: u32, image: StringId) {
        if self.settled.len() < MOST_NOTED {
            self.settled.push((bit - self.first_bit as u32, image));
        }
    }

    /// Adds a hit to those of a rule, or as the first of them.
    fn add(&mut self, position: usize, hit: Hit, is_first: bool) {
        let Some(list) = self.lists.get_mut(position) else { return };
        let number = self.hits.len() as u32;
        match self.hits.get_mut(list.last as usize) {
            _ if is_first => *list = List { first: number, last: number, targets: 0 },
            // Several images of one value, of a rule that tests it after each transformation.
            Some(last) if last.target == hit.target && last.ordinal == hit.ordinal => return,
            Some(last) => last.next = number,
            None => return,
        }
        list.last = number;
        list.targets |= target_bit(hit.target);
        self.hits.push(hit);
    }
}

/// The bit of a target in a list's set.
fn target_bit(target: u32) -> u64 {
    1 << (target % 64)
}

/// The prefilter of a phase, the words of its results that belong to the phase, and the slice.
struct Searched<'a> {
    which: usize,
    prefilter: &'a Prefilter,
    words: Range<usize>,
    negated: &'a [u64],
}

impl<'a> Searched<'a> {
    fn of(policy: &'a Policy, program: &'a Program) -> Searched<'a> {
        let base = policy.parts.response_bit / 64;
        let which = usize::from(program.words.start >= base);
        let base = if which == 0 { 0 } else { base };
        let words = program.words.start.saturating_sub(base)..program.words.end.saturating_sub(base);
        Searched { which, prefilter: &policy.parts.prefilters[which], words, negated: &program.negated }
    }
}

/// A value and where it is from.
#[derive(Clone, Copy)]
struct Seen {
    target: u32,
    ordinal: u32,
    name: Option<StringId>,
    value: StringId,
}

impl State {
    /// Works out which rules of a phase can match the values there are.
    pub(super) fn find_candidates(&mut self, policy: &Policy, program: &Program, slice: &Slice) {
        self.candidates.reset(&program.words);
        let mut plans = std::mem::take(&mut self.store.tools.get_or_insert_default().plans);
        self.look_at_all(policy, &Searched::of(policy, program), slice, &mut plans);
        self.store.tools.get_or_insert_default().plans = plans;
    }

    /// Remembers which rules have to test the values that were searched, now that the rules have tested them.
    pub(super) fn learn(&mut self, policy: &Policy, program: &Program, slice: &Slice) {
        // Where a limit left something out, that nothing was found means nothing.
        if self.store.budget.has_met_any() {
            return;
        }
        let mut plans = std::mem::take(&mut self.store.tools.get_or_insert_default().plans);
        let searched = Searched::of(policy, program);
        while let Some((number, value)) = self.candidates.searched.pop() {
            let Some(watch) = slice.watches.get(number as usize) else { continue };
            let mut left: SmallVec<[Left; MOST_LEFT]> = SmallVec::new();
            self.look_through(policy, &searched, watch, value, &mut plans, |candidates, image, rule| {
                let is_settled = candidates.settled.contains(&(rule.position, image));
                if !is_settled && !left.contains(&rule) {
                    left.push(rule);
                }
            });
            self.remember(value, watch, &left);
        }
        self.store.tools.get_or_insert_default().plans = plans;
    }

    /// Finds the rules that have to test the values of a slice.
    fn look_at_all(&mut self, policy: &Policy, searched: &Searched<'_>, slice: &Slice, plans: &mut Plans) {
        for (number, watch) in slice.watches.iter().enumerate() {
            let mut seen = Seen { target: watch.number, ordinal: 0, name: None, value: StringId::EMPTY };
            match watch.source {
                Source::Scalar(variable) => {
                    seen.value = self.collections.scalar(variable);
                    self.look_at(policy, searched, (number, watch), seen, plans);
                }
                Source::Items(collections, part) => {
                    for collection in collections {
                        let count = self.collections.items(*collection).len();
                        self.store.budget.spend(count as u64);
                        for index in 0..count {
                            if self.is_over_budget() {
                                return;
                            }
                            let Some(item) = self.collections.items(*collection).get(index).copied() else { break };
                            if let Some((key, hash)) = &watch.key
                                && (item.hash != *hash || !self.store.text(item.name).eq_ignore_ascii_case(key))
                            {
                                continue;
                            }
                            seen.ordinal += 1;
                            seen.name = Some(item.name);
                            seen.value = if part == Part::Values { item.value } else { item.name };
                            self.look_at(policy, searched, (number, watch), seen, plans);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Finds the rules of a watch, which has this number in its slice, that have to test a value.
    fn look_at(
        &mut self,
        policy: &Policy,
        searched: &Searched<'_>,
        (number, watch): (usize, &Watch),
        seen: Seen,
        plans: &mut Plans,
    ) {
        if self.recall(watch, seen) {
            return;
        }
        let mut is_quiet = true;
        self.look_through(policy, searched, watch, seen.value, plans, |candidates, image, rule| {
            is_quiet = false;
            candidates.note(seen, Some(image), rule);
        });
        if is_quiet {
            self.remember(seen.value, watch, &[]);
        } else if self.candidates.searched.len() < MOST_NOTED && self.meet(seen.value) {
            self.candidates.searched.push((number as u32, seen.value));
        }
    }

    /// Notes a value for the rules of a watch that are known to have to test it; whether they are known.
    fn recall(&mut self, watch: &Watch, seen: Seen) -> bool {
        let Some(value) = self.store.fingerprint(seen.value) else { return false };
        let Some(left) = self.store.tools.get_or_insert_default().recall.of(value, watch.id) else { return false };
        left.for_each(|rule| self.candidates.note(seen, None, rule));
        true
    }

    /// Whether an earlier transaction has met a value already.
    fn meet(&mut self, value: StringId) -> bool {
        let Some(value) = self.store.fingerprint(value) else { return false };
        self.store.tools.get_or_insert_default().recall.meet(value)
    }

    /// Remembers which rules of a watch have to test a value.
    fn remember(&mut self, value: StringId, watch: &Watch, left: &[Left]) {
        if self.store.budget.has_met_any() {
            return;
        }
        if let Some(value) = self.store.fingerprint(value) {
            self.store.tools.get_or_insert_default().recall.note(value, watch.id, left);
        }
    }

    /// Goes through the ways in which the rules of a watch transform a value, and tells which rules have to
    /// test what comes out.
    fn look_through(
        &mut self,
        policy: &Policy,
        searched: &Searched<'_>,
        watch: &Watch,
        value: StringId,
        plans: &mut Plans,
        mut tell: impl FnMut(&mut Candidates, StringId, Left),
    ) {
        let chains = &policy.parts.chains;
        let looks = watch.derived.iter().map(|(steps, look)| (steps.as_slice(), look));
        for (first, look) in std::iter::once((&[][..], &watch.direct)).chain(looks) {
            let image = first.iter().fold(value, |image, step| self.store.step(image, *step, chains));
            let plan = plans.of(look, self.store.classes(image), chains, searched.negated);
            for way in &plan.ways {
                let image = way.steps.iter().fold(image, |image, step| self.store.step(image, *step, chains));
                let gates = self.store.gates(image, searched.which, searched.prefilter);
                let gates = gates.get(searched.words.clone()).unwrap_or_default();
                for rules in &way.rules {
                    let closed = !gates.get(rules.word).copied().unwrap_or(0);
                    let mut open = rules.open(gates);
                    while open != 0 {
                        let bit = open.trailing_zeros();
                        open &= open - 1;
                        let position = rules.word as u32 * 64 + bit;
                        tell(&mut self.candidates, image, Left { position, is_decided: closed >> bit & 1 == 1 });
                    }
                }
            }
        }
    }
}
