//! What a hop saw of the numbers of one producer.

use super::Look;
use parapet_event::SecurityEvent;
use std::collections::VecDeque;
use std::time::Instant;
use ulid::Ulid;

/// Ranges remembered of each kind; of older ones only the count is kept.
const RANGES_MAX: usize = 256;
/// Holes that are followed until it is certain what became of them. There are many while the partitions of
/// a stream are read at different paces; of the oldest beyond that only how many numbers they had is known.
pub(super) const OPEN_MAX: usize = 4096;

/// The numbers of one producer.
#[derive(Default)]
pub(super) struct Producer {
    /// Number of the first event seen.
    pub(super) first: u64,
    pub(super) highest: u64,
    pub(super) seen: u64,
    pub(super) left_out: Ranges,
    pub(super) open: VecDeque<Hole>,
    pub(super) lost: Ranges,
    pub(super) elsewhere: u64,
    pub(super) not_followed: u64,
}

/// Numbers that are missing and may still come.
pub(super) struct Hole {
    pub(super) from: u64,
    pub(super) to: u64,
    since: Instant,
    /// Entries appended when the hole was first looked at.
    appended: Option<u64>,
    pub(super) revealed_by: Ulid,
}

impl Hole {
    fn is_certain(&self, look: &Look) -> bool {
        let passed = self.appended.is_some_and(|then| look.waiting <= look.appended.saturating_sub(then));
        passed && look.now.saturating_duration_since(self.since) >= look.grace
    }
}

/// Ranges of numbers, both ends included; of the oldest only how many numbers they had.
#[derive(Default)]
pub(super) struct Ranges {
    pub(super) ranges: VecDeque<(u64, u64)>,
    folded: u64,
}

impl Ranges {
    fn push(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        self.ranges.push_back((from, to));
        if self.ranges.len() > RANGES_MAX
            && let Some((from, to)) = self.ranges.pop_front()
        {
            self.folded += to - from + 1;
        }
    }

    /// Takes a number out; whether it was there.
    fn take(&mut self, number: u64) -> bool {
        let Some(index) = self.ranges.iter().position(|&(from, to)| (from..=to).contains(&number)) else {
            return false;
        };
        let (from, to) = self.ranges.remove(index).unwrap_or((number, number));
        self.push(from, number - 1);
        self.push(number + 1, to);
        true
    }

    fn count(&self) -> u64 {
        self.folded + self.ranges.iter().map(|(from, to)| to - from + 1).sum::<u64>()
    }
}

/// How many numbers of each kind.
#[derive(Default, Clone, Copy)]
pub(super) struct Totals {
    pub(super) span: u64,
    pub(super) seen: u64,
    pub(super) left_out: u64,
    pub(super) open: u64,
    pub(super) lost: u64,
    pub(super) elsewhere: u64,
    pub(super) not_followed: u64,
}

impl Producer {
    pub(super) fn starting_with(number: u64) -> Producer {
        Producer { first: number, highest: number, seen: 1, ..Producer::default() }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            span: self.highest - self.first + 1,
            seen: self.seen,
            left_out: self.left_out.count(),
            open: self.open.iter().map(|hole| hole.to - hole.from + 1).sum(),
            lost: self.lost.count(),
            elsewhere: self.elsewhere,
            not_followed: self.not_followed,
        }
    }

    pub(super) fn saw(&mut self, event: &SecurityEvent) {
        let (number, previous) = (event.origin.sequence, event.origin.previous);
        if number <= self.highest {
            self.saw_late(number, previous);
            return;
        }
        // All numbers in between are not seen yet; up to the one that this event follows they belong here.
        let (from, to) = (self.highest + 1, number - 1);
        let missing_to = previous.filter(|previous| (from..=to).contains(previous));
        if let Some(missing_to) = missing_to {
            self.miss(Hole { from, to: missing_to, since: Instant::now(), appended: None, revealed_by: event.id });
        }
        self.left_out.push(missing_to.map_or(from, |to| to + 1), to);
        self.highest = number;
        self.seen += 1;
    }

    /// A number below the highest: it closes its gap, or was seen before.
    fn saw_late(&mut self, number: u64, previous: Option<u64>) {
        if let Some(index) = self.open.iter().position(|hole| (hole.from..=hole.to).contains(&number)) {
            let Some(hole) = self.open.remove(index) else { return };
            self.seen += 1;
            // What lies between it and the one that it follows was left out.
            let before = previous.map_or(number - 1, |previous| previous.min(number - 1));
            self.left_out.push((before + 1).max(hole.from), number - 1);
            for (from, to) in [(number + 1, hole.to), (hole.from, before)] {
                if from <= to {
                    self.miss(Hole { from, to, ..hole });
                }
            }
        } else if self.left_out.take(number) || self.lost.take(number) {
            self.seen += 1;
        } else if self.not_followed > 0 {
            // It may be a repeat; while holes are not followed that is the less likely.
            self.not_followed -= 1;
            self.seen += 1;
        }
    }

    fn miss(&mut self, hole: Hole) {
        self.open.push_back(hole);
        if self.open.len() > OPEN_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            self.not_followed += oldest.to - oldest.from + 1;
        }
    }

    pub(super) fn settle(&mut self, look: &Look) -> Vec<Hole> {
        let (mut certain, mut open) = (Vec::new(), VecDeque::new());
        for mut hole in std::mem::take(&mut self.open) {
            if hole.is_certain(look) {
                self.lost.push(hole.from, hole.to);
                certain.push(hole);
            } else {
                hole.appended.get_or_insert(look.appended);
                open.push_back(hole);
            }
        }
        self.open = open;
        certain
    }
}

impl Totals {
    pub(super) fn add(&mut self, other: Totals) {
        self.span += other.span;
        self.seen += other.seen;
        self.left_out += other.left_out;
        self.open += other.open;
        self.lost += other.lost;
        self.elsewhere += other.elsewhere;
        self.not_followed += other.not_followed;
    }
}
