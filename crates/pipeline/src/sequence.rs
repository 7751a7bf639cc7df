//! Gap detection on the sequence numbers that every producer gives its events.
//!
//! Numbers count from 1 without gaps per (instance, worker). The first number seen of a producer is
//! the baseline, because what came before may have been routed by an earlier process. From there on
//! each number must arrive; one that arrives late (redelivered) closes its gap, one that arrives
//! again counts once. One router reads one spool, so numbers arrive nearly in order and the list of
//! open gaps stays short.

use parapet_event::Origin;
use parapet_ports::ledger::HopCount;
use std::collections::{BTreeMap, HashMap, VecDeque};
use ulid::Ulid;

/// Producers remembered one by one; older ones are folded into totals.
const PRODUCERS_MAX: usize = 1024;
/// Open gaps remembered per producer; numbers of older gaps that arrive after all count as repeats.
const GAPS_MAX: usize = 256;

/// Numbers seen and missing, of all producers.
#[derive(Default)]
pub(crate) struct Sequences {
    producers: HashMap<(Ulid, u16), Producer>,
    order: VecDeque<(Ulid, u16)>,
    retired: Totals,
}

#[derive(Default)]
struct Producer {
    /// Number of the first event seen; 0 before that.
    first: u64,
    highest: u64,
    seen: u64,
    /// Events of this producer that were dropped on purpose before the router.
    dropped: u64,
    /// Missing numbers up to `highest` that the log already mentioned.
    reported: u64,
    gaps: VecDeque<(u64, u64)>,
}

#[derive(Default, Clone, Copy)]
struct Totals {
    span: u64,
    seen: u64,
    dropped: u64,
    gap: u64,
}

impl Producer {
    fn totals(&self) -> Totals {
        let span = if self.first == 0 { 0 } else { self.highest - self.first + 1 };
        let missing = span.saturating_sub(self.seen);
        let dropped = missing.min(self.dropped);
        Totals { span, seen: self.seen, dropped, gap: missing - dropped }
    }

    fn saw(&mut self, sequence: u64) {
        if self.first == 0 {
            (self.first, self.highest, self.seen) = (sequence, sequence, 1);
        } else if sequence > self.highest {
            if sequence > self.highest + 1 {
                self.gaps.push_back((self.highest + 1, sequence - 1));
                if self.gaps.len() > GAPS_MAX {
                    self.gaps.pop_front();
                }
            }
            self.highest = sequence;
            self.seen += 1;
        } else if let Some(index) = self.gaps.iter().position(|&(from, to)| (from..=to).contains(&sequence)) {
            let (from, to) = self.gaps.remove(index).unwrap_or((1, 0));
            for rest in [(from, sequence - 1), (sequence + 1, to)] {
                if rest.0 <= rest.1 {
                    self.gaps.push_back(rest);
                }
            }
            self.seen += 1;
        }
    }
}

impl Sequences {
    /// Notes a number that arrived; returns how many more are missing without a known reason.
    pub(crate) fn saw(&mut self, origin: &Origin) -> u64 {
        let producer = self.producer(origin);
        producer.saw(origin.sequence);
        let gap = producer.totals().gap;
        let new = gap.saturating_sub(producer.reported);
        producer.reported = producer.reported.max(gap);
        new
    }

    /// Notes that an event was dropped on purpose.
    pub(crate) fn dropped(&mut self, origin: &Origin) {
        self.producer(origin).dropped += 1;
    }

    /// All producers together.
    pub(crate) fn count(&self) -> HopCount {
        let mut sum = self.retired;
        for producer in self.producers.values() {
            sum.add(producer.totals());
        }
        let reasons = [("dropped by the spool", sum.dropped), ("gap", sum.gap)];
        let dropped: BTreeMap<_, _> =
            reasons.into_iter().filter(|(_, count)| *count > 0).map(|(why, count)| (why.to_owned(), count)).collect();
        HopCount { produced: sum.span, delivered: sum.seen, dropped }
    }

    fn producer(&mut self, origin: &Origin) -> &mut Producer {
        let key = (origin.instance, origin.worker);
        if !self.producers.contains_key(&key) {
            if self.order.len() >= PRODUCERS_MAX
                && let Some(oldest) = self.order.pop_front()
                && let Some(retired) = self.producers.remove(&oldest)
            {
                self.retired.add(retired.totals());
            }
            self.order.push_back(key);
        }
        self.producers.entry(key).or_default()
    }
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.span += other.span;
        self.seen += other.seen;
        self.dropped += other.dropped;
        self.gap += other.gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(worker: u16, sequence: u64) -> Origin {
        Origin { instance: Ulid::nil(), worker, sequence }
    }

    #[test]
    fn numbers_without_gaps_are_all_delivered() {
        let mut sequences = Sequences::default();
        for number in 5..=10 {
            assert_eq!(sequences.saw(&origin(0, number)), 0);
        }
        assert_eq!(sequences.count(), HopCount { produced: 6, delivered: 6, dropped: BTreeMap::new() });
    }

    #[test]
    fn a_gap_is_reported_once_and_closed_by_late_arrivals() {
        let mut sequences = Sequences::default();
        sequences.saw(&origin(0, 1));
        assert_eq!(sequences.saw(&origin(0, 5)), 3);
        assert_eq!(sequences.saw(&origin(0, 6)), 0);
        assert_eq!(sequences.count().dropped["gap"], 3);
        for late in [3, 2, 4] {
            sequences.saw(&origin(0, late));
        }
        assert_eq!(sequences.count(), HopCount { produced: 6, delivered: 6, dropped: BTreeMap::new() });
    }

    #[test]
    fn repeats_count_once() {
        let mut sequences = Sequences::default();
        for number in [1, 2, 2, 1, 3, 2] {
            sequences.saw(&origin(0, number));
        }
        assert_eq!(sequences.count().delivered, 3);
    }

    #[test]
    fn known_drops_explain_missing_numbers() {
        let mut sequences = Sequences::default();
        sequences.saw(&origin(0, 1));
        sequences.dropped(&origin(0, 2));
        assert_eq!(sequences.saw(&origin(0, 3)), 0);
        assert_eq!(sequences.saw(&origin(0, 5)), 1);
        let count = sequences.count();
        assert_eq!((count.dropped["dropped by the spool"], count.dropped["gap"], count.in_flight()), (1, 1, 0));
    }

    #[test]
    fn workers_are_counted_apart_and_old_producers_keep_their_totals() {
        let mut sequences = Sequences::default();
        for round in 0..3000_u32 {
            let instance = Ulid::from_parts(u64::from(round), 0);
            sequences.saw(&Origin { instance, worker: 0, sequence: 1 });
            sequences.saw(&Origin { instance, worker: 1, sequence: 7 });
        }
        assert!(sequences.producers.len() <= PRODUCERS_MAX);
        assert_eq!(sequences.count().delivered, 6000);
    }
}
