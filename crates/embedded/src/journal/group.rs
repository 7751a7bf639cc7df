//! Consumer groups: which entries are new, being worked on, or to be delivered again.
//!
//! Everything below `next` that is neither pending nor returned was acknowledged (or dropped), so the
//! state stays small however long the stream is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One entry handed to a consumer, by sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) sequence: u64,
    /// This delivery included.
    pub(crate) deliveries: u32,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    since: Instant,
    deliveries: u32,
}

/// State of one consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    /// First sequence number that was never handed out.
    next: u64,
    /// Handed out, not acknowledged.
    pending: BTreeMap<u64, Pending>,
    /// To be handed out again before anything new, with the deliveries so far: what was open at a
    /// restart and what a cancelled read gave back.
    returned: BTreeMap<u64, u32>,
    /// Entries that were removed before this group acknowledged them.
    dropped: u64,
}

impl Group {
    /// A new group that starts at `first`.
    pub(crate) fn starting_at(first: u64) -> Group {
        Group { next: first, pending: BTreeMap::new(), returned: BTreeMap::new(), dropped: 0 }
    }

    /// Hands out up to `max` entries, of the stream that ends before `end`.
    pub(crate) fn take(&mut self, max: usize, max_pending: usize, end: u64, now: Instant) -> Vec<Ticket> {
        let room = max.min(max_pending.saturating_sub(self.pending.len()));
        let mut tickets = Vec::with_capacity(room.min(1024));
        while tickets.len() < room {
            let (sequence, before) = match self.returned.pop_first() {
                Some(entry) => entry,
                None if self.next < end => {
                    self.next += 1;
                    (self.next - 1, 0)
                }
                None => break,
            };
            let deliveries = before.saturating_add(1);
            self.pending.insert(sequence, Pending { since: now, deliveries });
            tickets.push(Ticket { sequence, deliveries });
        }
        tickets
    }

    /// Takes over up to `max` entries that were handed out at least `idle` ago.
    pub(crate) fn reclaim(&mut self, idle: Duration, max: usize, now: Instant) -> Vec<Ticket> {
        let stale = self.pending.iter_mut().filter(|(_, pending)| now.duration_since(pending.since) >= idle);
        stale
            .take(max)
            .map(|(sequence, pending)| {
                pending.since = now;
                pending.deliveries = pending.deliveries.saturating_add(1);
                Ticket { sequence: *sequence, deliveries: pending.deliveries }
            })
            .collect()
    }

    /// Undoes a delivery that never reached its consumer. Entries acknowledged meanwhile stay so.
    pub(crate) fn give_back(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            if self.pending.remove(&ticket.sequence).is_some() {
                self.returned.insert(ticket.sequence, ticket.deliveries - 1);
            }
        }
    }

    /// Marks an entry as done; `false` if it was not open.
    pub(crate) fn acknowledge(&mut self, sequence: u64) -> bool {
        self.pending.remove(&sequence).is_some() || self.returned.remove(&sequence).is_some()
    }

    /// Counts an entry that turned out to be unreadable as dropped.
    pub(crate) fn lose(&mut self, sequence: u64) {
        if self.acknowledge(sequence) {
            self.dropped += 1;
        }
    }

    /// Drops what lies below `first`, which is no longer there.
    pub(crate) fn skip_to(&mut self, first: u64) {
        let kept_pending = self.pending.split_off(&first);
        let kept_returned = self.returned.split_off(&first);
        self.dropped += (self.pending.len() + self.returned.len()) as u64 + first.saturating_sub(self.next);
        self.pending = kept_pending;
        self.returned = kept_returned;
        self.next = self.next.max(first);
    }

    /// Everything below this was acknowledged.
    pub(crate) fn floor(&self) -> u64 {
        let first_open = |first: Option<&u64>| first.copied().unwrap_or(self.next);
        first_open(self.pending.keys().next()).min(first_open(self.returned.keys().next()))
    }

    /// First sequence number that was never handed out.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Sequence numbers below `end` that were handed out and not acknowledged, in any order.
    pub(crate) fn open_below(&self, end: u64) -> impl Iterator<Item = u64> {
        self.pending.range(..end).map(|(sequence, _)| *sequence).chain(self.returned.range(..end).map(|(s, _)| *s))
    }

    /// Entries not yet delivered, of a stream that ends before `end`.
    pub(crate) fn unread(&self, end: u64) -> u64 {
        end.saturating_sub(self.next) + self.returned.values().filter(|deliveries| **deliveries == 0).count() as u64
    }

    /// Entries delivered and not acknowledged.
    pub(crate) fn pending(&self) -> u64 {
        (self.pending.len() + self.returned.values().filter(|deliveries| **deliveries > 0).count()) as u64
    }

    /// Entries removed before they were acknowledged.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The durable form.
    pub(crate) fn save(&self) -> SavedGroup {
        let mut open: Vec<(u64, u64, u32)> = Vec::new();
        let pending = self.pending.iter().map(|(sequence, pending)| (*sequence, pending.deliveries));
        let mut all: Vec<_> = pending.chain(self.returned.iter().map(|(s, d)| (*s, *d))).collect();
        all.sort_unstable();
        for (sequence, deliveries) in all {
            match open.last_mut() {
                Some((start, count, same)) if *start + *count == sequence && *same == deliveries => *count += 1,
                _ => open.push((sequence, 1, deliveries)),
            }
        }
        SavedGroup { next: self.next, dropped: self.dropped, open }
    }

    /// The group as it was saved: everything open will be delivered again.
    pub(crate) fn restore(saved: &SavedGroup, max_pending: usize) -> Group {
        let mut group = Group::starting_at(saved.next);
        group.dropped = saved.dropped;
        let entries = saved.open.iter().flat_map(|(start, count, deliveries)| {
            (*start..start.saturating_add(*count)).map(|sequence| (sequence, *deliveries))
        });
        group.returned = entries.take(max_pending.saturating_mul(2)).collect();
        group
    }
}

/// A group in the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedGroup {
    next: u64,
    dropped: u64,
    /// Runs of open entries: first sequence number, how many, deliveries so far.
    open: Vec<(u64, u64, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn sequences(tickets: &[Ticket]) -> Vec<u64> {
        tickets.iter().map(|ticket| ticket.sequence).collect()
    }

    #[test]
    fn a_saved_group_delivers_open_entries_again_and_acknowledged_ones_never() {
        let mut group = Group::starting_at(1);
        group.take(6, 100, 10, clock::ticks());
        for sequence in [1, 2, 4] {
            assert!(group.acknowledge(sequence));
        }
        let saved = group.save();
        assert_eq!(saved.open, [(3, 1, 1), (5, 2, 1)]);
        let mut group = Group::restore(&saved, 100);
        assert_eq!(group.floor(), 3);
        assert_eq!((group.unread(10), group.pending()), (3, 3));
        let tickets = group.take(100, 100, 10, clock::ticks());
        assert_eq!(sequences(&tickets), [3, 5, 6, 7, 8, 9]);
        assert_eq!(tickets[0].deliveries, 2);
        assert_eq!(tickets[3].deliveries, 1);
    }

    #[test]
    fn a_delivery_given_back_is_not_counted() {
        let mut group = Group::starting_at(1);
        let tickets = group.take(3, 100, 4, clock::ticks());
        assert!(group.acknowledge(2));
        group.give_back(&tickets);
        assert_eq!(group.unread(4), 2);
        let again = group.take(5, 100, 4, clock::ticks());
        assert_eq!(sequences(&again), [1, 3]);
        assert!(again.iter().all(|ticket| ticket.deliveries == 1));
    }

    #[test]
    fn a_group_with_too_much_open_gets_nothing_new() {
        let mut group = Group::starting_at(1);
        assert_eq!(group.take(10, 4, 100, clock::ticks()).len(), 4);
        assert_eq!(group.take(10, 4, 100, clock::ticks()).len(), 0);
        assert!(group.acknowledge(1));
        assert_eq!(group.take(10, 4, 100, clock::ticks()).len(), 1);
    }

    #[test]
    fn what_is_trimmed_below_a_group_is_counted_exactly() {
        let mut group = Group::starting_at(1);
        group.take(5, 100, 20, clock::ticks());
        assert!(group.acknowledge(2));
        group.skip_to(4);
        assert_eq!(group.dropped(), 2);
        group.skip_to(11);
        assert_eq!(group.dropped(), 2 + 2 + 5);
        assert_eq!(group.next(), 11);
        assert_eq!(group.pending(), 0);
    }
}
