//! Gap detection at a hop, on the sequence numbers that every producer gives its events.
//!
//! Numbers count from 1 without gaps per (instance, worker), and each event names the one of its
//! producer that was appended to the stream before it ([`crate::chain`]). So of the numbers that do not
//! arrive, those that are in the chain are missing and all others were left out on purpose.
//!
//! A missing number may still be on its way: read by a member that died and not taken over yet, or in a
//! partition that is behind. It is lost when it has not come for a while, and everything that waited in
//! the stream when it was missed has been read since. One that comes later all the same closes its gap.
//!
//! The first number seen of a producer is the baseline, because what came before may have been read by
//! an earlier process. Where several processes read one stream, each sees only a part of the numbers and
//! can prove nothing: what it misses then counts as read elsewhere.

mod producer;

use parapet_event::SecurityEvent;
use parapet_ports::ledger::{HopCount, WorkerCount};
use producer::{Hole, Producer, Totals};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};
use ulid::Ulid;

/// Producers remembered one by one; older ones are folded into totals.
const PRODUCERS_MAX: usize = 1024;
/// Producers shown one by one, the newest.
const SHOWN_MAX: usize = 64;

type Key = (Ulid, u16);

/// Numbers seen and missing, of all producers.
#[derive(Default)]
pub(crate) struct Sequences {
    producers: HashMap<Key, Producer>,
    order: VecDeque<Key>,
    retired: Totals,
    /// Whether other processes read the stream too, as far as was found out last.
    shared: bool,
}

/// How far the stream was when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) now: Instant,
    /// Entries ever appended.
    pub(crate) appended: u64,
    /// Entries that the group has not acknowledged.
    pub(crate) waiting: u64,
    /// How long a number may be missing.
    pub(crate) grace: Duration,
}

/// Numbers that will not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) instance: Ulid,
    pub(crate) worker: u16,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The event whose link showed that they were missing.
    pub(crate) revealed_by: Ulid,
}

impl Sequences {
    /// Notes an event that arrived.
    pub(crate) fn saw(&mut self, event: &SecurityEvent) {
        let key = (event.origin.instance, event.origin.worker);
        match self.producers.get_mut(&key) {
            Some(producer) => producer.saw(event),
            None => {
                self.make_room();
                self.order.push_back(key);
                self.producers.insert(key, Producer::starting_with(event.origin.sequence));
            }
        }
    }

    /// Numbers that are lost for certain since this was last asked.
    pub(crate) fn settle(&mut self, look: &Look) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (&(instance, worker), producer) in &mut self.producers {
            let certain = producer.settle(look).into_iter();
            losses.extend(certain.map(|Hole { from, to, revealed_by, .. }| Loss {
                instance,
                worker,
                from,
                to,
                revealed_by,
            }));
        }
        losses
    }

    /// Notes how many processes read the stream. What is missing while there are several, and what was
    /// missed before it was found out that there is one only, was read elsewhere.
    pub(crate) fn readers(&mut self, readers: usize) {
        let was_shared = std::mem::replace(&mut self.shared, readers > 1);
        if !self.shared && !was_shared {
            return;
        }
        for producer in self.producers.values_mut() {
            producer.elsewhere += producer.open.drain(..).map(|hole| hole.to - hole.from + 1).sum::<u64>();
        }
    }

    /// All producers together.
    pub(crate) fn count(&self) -> HopCount {
        let mut sum = self.retired;
        for producer in self.producers.values() {
            sum.add(producer.totals());
        }
        let reasons = [
            ("left out before", sum.left_out),
            ("read elsewhere", sum.elsewhere),
            ("not followed", sum.not_followed),
            ("gap", sum.lost),
        ];
        let dropped: BTreeMap<_, _> =
            reasons.into_iter().filter(|(_, count)| *count > 0).map(|(why, count)| (why.to_owned(), count)).collect();
        HopCount { produced: sum.span, delivered: sum.seen, dropped }
    }

    /// The newest producers one by one.
    pub(crate) fn workers(&self, hop: &str) -> Vec<WorkerCount> {
        let shown = self.order.iter().rev().take(SHOWN_MAX).filter_map(|key| Some((key, self.producers.get(key)?)));
        let count = |((instance, worker), producer): (&Key, &Producer)| {
            let totals = producer.totals();
            WorkerCount {
                hop: hop.to_owned(),
                instance: *instance,
                worker: *worker,
                first: producer.first,
                highest: producer.highest,
                seen: totals.seen,
                left_out: totals.left_out,
                elsewhere: totals.elsewhere,
                in_flight: totals.open,
                lost: totals.lost,
                gaps: producer.lost.ranges.iter().copied().collect(),
            }
        };
        shown.map(count).collect()
    }

    fn make_room(&mut self) {
        if self.order.len() >= PRODUCERS_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(retired) = self.producers.remove(&oldest)
        {
            let mut totals = retired.totals();
            // Nobody asks for them any more.
            totals.lost += std::mem::take(&mut totals.open);
            self.retired.add(totals);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::producer::OPEN_MAX;
    use super::*;
    use crate::example;

    fn see(sequences: &mut Sequences, worker: u16, number: u64, previous: Option<u64>) {
        let mut event = example::event(number);
        (event.origin.worker, event.origin.previous) = (worker, previous);
        sequences.saw(&event);
    }

    /// Numbers that follow on one another.
    fn chain(sequences: &mut Sequences, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| see(sequences, 0, number, number.checked_sub(1)));
    }

    /// A look at a stream that was read to its end, this long after now.
    fn look_after(seconds: u64) -> Look {
        let now = Instant::now() + Duration::from_secs(seconds);
        Look { now, appended: 100, waiting: 0, grace: Duration::from_secs(60) }
    }

    fn ranges(losses: &[Loss]) -> Vec<(u64, u64)> {
        losses.iter().map(|loss| (loss.from, loss.to)).collect()
    }

    /// Looks twice, which is how long it takes until something is certain.
    fn settle(sequences: &mut Sequences) -> Vec<(u64, u64)> {
        assert!(sequences.settle(&look_after(0)).is_empty(), "certain at once");
        ranges(&sequences.settle(&look_after(61)))
    }

    #[test]
    fn numbers_without_gaps_are_all_delivered() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, 5..=10);
        assert_eq!(sequences.count(), HopCount { produced: 6, delivered: 6, dropped: BTreeMap::new() });
        assert!(settle(&mut sequences).is_empty());
    }

    #[test]
    fn a_missing_number_is_in_flight_until_it_is_certain_that_it_is_lost() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, [1, 5, 6]);
        assert_eq!((sequences.count().in_flight(), sequences.count().dropped.len()), (3, 0));
        assert!(sequences.settle(&look_after(0)).is_empty(), "the first look only remembers how far the stream is");
        assert!(sequences.settle(&look_after(59)).is_empty(), "too early");
        let behind = Look { waiting: 1, ..look_after(61) };
        assert!(sequences.settle(&behind).is_empty(), "it may be what waits");
        assert_eq!(ranges(&sequences.settle(&look_after(61))), [(2, 4)]);
        assert!(sequences.settle(&look_after(62)).is_empty(), "told once");
        assert_eq!((sequences.count().in_flight(), sequences.count().dropped["gap"]), (0, 3));
        assert_eq!(sequences.workers("router")[0].gaps, [(2, 4)]);
    }

    #[test]
    fn late_arrivals_close_their_gap() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, [1, 5]);
        chain(&mut sequences, [3]);
        assert_eq!(settle(&mut sequences), [(4, 4), (2, 2)]);
        chain(&mut sequences, [4, 2, 4, 2]);
        assert_eq!(sequences.count(), HopCount { produced: 5, delivered: 5, dropped: BTreeMap::new() });
    }

    #[test]
    fn repeats_count_once() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, [1, 2, 2, 1, 3, 2]);
        assert_eq!(sequences.count().delivered, 3);
    }

    #[test]
    fn what_is_in_no_chain_was_left_out_on_purpose() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, [1]);
        see(&mut sequences, 0, 9, Some(1));
        see(&mut sequences, 0, 20, Some(15));
        assert_eq!(settle(&mut sequences), [(10, 15)], "of these at least the last");
        let count = sequences.count();
        assert_eq!((count.produced, count.delivered, count.in_flight()), (20, 3, 0));
        assert_eq!((count.dropped["left out before"], count.dropped["gap"]), (11, 6));
        see(&mut sequences, 0, 15, Some(12));
        let count = sequences.count();
        assert_eq!((count.delivered, count.dropped["gap"]), (4, 5));
    }

    #[test]
    fn a_number_in_a_hole_tells_what_was_left_out_before_it() {
        let mut sequences = Sequences::default();
        chain(&mut sequences, [1, 11]);
        see(&mut sequences, 0, 8, Some(4));
        assert_eq!(settle(&mut sequences), [(9, 10), (2, 4)]);
        assert_eq!(sequences.count().dropped["left out before"], 3);
    }

    #[test]
    fn numbers_that_are_appended_out_of_order_are_neither_lost_nor_left_out() {
        let mut sequences = Sequences::default();
        for (number, previous) in [(1, None), (3, Some(1)), (2, Some(3)), (4, Some(2))] {
            see(&mut sequences, 0, number, previous);
        }
        assert_eq!(sequences.count(), HopCount { produced: 4, delivered: 4, dropped: BTreeMap::new() });
    }

    #[test]
    fn what_other_processes_read_is_not_lost() {
        let mut sequences = Sequences::default();
        sequences.readers(2);
        chain(&mut sequences, [1, 5]);
        sequences.readers(1);
        assert!(settle(&mut sequences).is_empty());
        assert_eq!(sequences.count().dropped["read elsewhere"], 3);
        sequences.readers(1);
        chain(&mut sequences, [6, 8]);
        sequences.readers(1);
        assert_eq!(settle(&mut sequences), [(7, 7)]);
    }

    #[test]
    fn workers_are_counted_apart_and_old_producers_keep_their_totals() {
        let mut sequences = Sequences::default();
        for round in 0..3000_u64 {
            let mut event = example::event(7);
            event.origin.instance = Ulid::from_parts(round, 0);
            sequences.saw(&event);
            event.origin.worker = 1;
            sequences.saw(&event);
        }
        assert!(sequences.producers.len() <= PRODUCERS_MAX);
        assert_eq!(sequences.count().delivered, 6000);
        assert_eq!(sequences.workers("router").len(), SHOWN_MAX);
    }

    #[test]
    fn holes_are_bounded_and_those_that_are_not_followed_prove_nothing() {
        let mut sequences = Sequences::default();
        let holes = OPEN_MAX as u64 + 100;
        for number in 0..=holes {
            see(&mut sequences, 0, 2 * number + 1, Some(2 * number).filter(|number| *number > 0));
        }
        assert!(sequences.settle(&look_after(0)).is_empty(), "nothing is certain yet");
        let count = sequences.count();
        assert_eq!((count.in_flight(), count.dropped["not followed"]), (OPEN_MAX as u64, 100));
        (1..=holes).for_each(|number| see(&mut sequences, 0, 2 * number, Some(2 * number - 1)));
        let count = sequences.count();
        assert_eq!((count.in_flight(), count.delivered), (0, 2 * holes + 1));
        assert!(!count.dropped.contains_key("not followed"));
    }
}
