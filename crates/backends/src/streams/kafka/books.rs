//! What a process knows of its partitions in one group: what was fetched, handed out and acknowledged.
//!
//! Everything here is plain bookkeeping; `member` moves entries in, consumers take them out.

use super::position::Position;
use parapet_ports::{EntryId, SharedEvent};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What an entry holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// An event.
    Event(SharedEvent),
    /// Bytes that are no event, and why.
    Undecodable { reason: String, bytes: Vec<u8> },
}

/// An entry on its way to a consumer.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) id: EntryId,
    pub(crate) deliveries: u32,
    pub(crate) content: Content,
}

/// Handed out, not acknowledged.
#[derive(Debug)]
struct Open {
    since: Instant,
    deliveries: u32,
    content: Content,
}

/// One partition that this process owns.
#[derive(Debug)]
struct Partition {
    position: Position,
    /// Offset after the last fetched entry.
    fetched: i64,
    /// Offset after the last entry that was handed out.
    handed: i64,
    open: BTreeMap<i64, Open>,
    /// The position changed since it was committed.
    dirty: bool,
}

/// A fetched entry that waits for a consumer.
#[derive(Debug)]
struct Ready {
    partition: i32,
    offset: i64,
    content: Content,
}

/// Counts of one partition, see [`parapet_ports::stream::Lag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) unread: u64,
    pub(crate) pending: u64,
    pub(crate) dropped: u64,
}

/// The books of one group.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Partitions that the group gave to this process and whose position is known.
    partitions: BTreeMap<i32, Partition>,
    ready: VecDeque<Ready>,
    pending: usize,
}

impl Books {
    /// Whether entries of the partition can be taken in; `false` until it was opened.
    pub(crate) fn is_open(&self, partition: i32) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Starts with a partition where the group had stopped. Entries before `first`, which are not there
    /// any more, are lost unless they were done; returns how many.
    pub(crate) fn open(&mut self, partition: i32, mut position: Position, first: i64) -> u64 {
        let lost = position.lose(position.floor, first);
        let start = position.floor.max(first);
        let opened = Partition { position, fetched: start, handed: start, open: BTreeMap::new(), dirty: lost > 0 };
        self.partitions.insert(partition, opened);
        lost
    }

    /// The group took a partition away: everything about it is forgotten, except what to commit.
    pub(crate) fn revoke(&mut self, partition: i32) {
        self.ready.retain(|entry| entry.partition != partition);
        if let Some(gone) = self.partitions.remove(&partition) {
            self.pending -= gone.open.len();
        }
    }

    /// Takes in a fetched entry. Returns how many entries before it turned out to be lost.
    pub(crate) fn fetched(&mut self, partition: i32, offset: i64, content: Content) -> u64 {
        let Some(books) = self.partitions.get_mut(&partition) else { return 0 };
        if offset < books.fetched {
            return 0;
        }
        // Topics of events are neither compacted nor transactional: a gap is what retention deleted.
        let lost = books.position.lose(books.fetched, offset);
        books.dirty |= lost > 0;
        books.fetched = offset + 1;
        if !books.position.done.contains(offset) && offset >= books.position.floor {
            self.ready.push_back(Ready { partition, offset, content });
        }
        lost
    }

    /// Fetched entries that wait, and entries handed out and not acknowledged.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.ready.len(), self.pending)
    }

    /// Hands out up to `max` entries; none while `max_pending` are not acknowledged.
    pub(crate) fn hand_out(&mut self, max: usize, max_pending: usize, now: Instant) -> Vec<Handed> {
        let mut handed = Vec::with_capacity(max.min(self.ready.len()));
        while handed.len() < max && self.pending < max_pending {
            let Some(Ready { partition, offset, content }) = self.ready.pop_front() else { break };
            let Some(books) = self.partitions.get_mut(&partition) else { continue };
            books.handed = offset + 1;
            if books.position.done.contains(offset) || offset < books.position.floor {
                continue;
            }
            books.open.insert(offset, Open { since: now, deliveries: 1, content: content.clone() });
            self.pending += 1;
            handed.push(Handed { id: entry_id(partition, offset), deliveries: 1, content });
        }
        handed
    }

    /// Marks entries as done. What is not of this process any more is passed over.
    pub(crate) fn acknowledge(&mut self, ids: &[EntryId]) {
        for id in ids {
            let (Ok(partition), Ok(offset)) = (i32::try_from(id.0), i64::try_from(id.1)) else { continue };
            let Some(books) = self.partitions.get_mut(&partition) else { continue };
            if offset >= books.fetched {
                continue;
            }
            self.pending -= usize::from(books.open.remove(&offset).is_some());
            books.position.acknowledge(offset);
            books.dirty = true;
        }
    }

    /// Hands out again what was handed out at least `idle` ago.
    pub(crate) fn reclaim(&mut self, idle: Duration, max: usize, now: Instant) -> Vec<Handed> {
        let stale = self
            .partitions
            .iter_mut()
            .flat_map(|(partition, books)| books.open.iter_mut().map(|(offset, open)| (*partition, *offset, open)));
        stale
            .filter(|(_, _, open)| now.duration_since(open.since) >= idle)
            .take(max)
            .map(|(partition, offset, open)| {
                open.since = now;
                open.deliveries = open.deliveries.saturating_add(1);
                Handed { id: entry_id(partition, offset), deliveries: open.deliveries, content: open.content.clone() }
            })
            .collect()
    }

    /// Positions that changed since they were committed, all of them or of one partition.
    pub(crate) fn take_dirty(&mut self, only: Option<i32>) -> Vec<(i32, Position)> {
        let dirty = self
            .partitions
            .iter_mut()
            .filter(|(partition, books)| books.dirty && only.is_none_or(|only| only == **partition));
        dirty
            .map(|(partition, books)| {
                books.dirty = false;
                (*partition, books.position.clone())
            })
            .collect()
    }

    /// A commit did not work: the partition needs another.
    pub(crate) fn uncommitted(&mut self, partition: i32) {
        if let Some(books) = self.partitions.get_mut(&partition) {
            books.dirty = true;
        }
    }

    /// Counts of a partition that lies between `low` and `high` on the broker, if this process reads it.
    pub(crate) fn count(&self, partition: i32, low: i64, high: i64) -> Option<Count> {
        let books = self.partitions.get(&partition)?;
        let done = &books.position.done;
        let left = |start: i64, end: i64| {
            (end - start).max(0) as u64 - done.count(start, end).min((end - start).max(0) as u64)
        };
        let waiting = left(books.handed.max(books.position.floor), books.fetched);
        let rest = left(books.fetched.max(low).max(books.position.floor), high);
        let trimmed = left(books.fetched.max(books.position.floor), low.min(high));
        Some(Count {
            unread: waiting + rest,
            pending: books.open.len() as u64,
            dropped: books.position.dropped + trimmed,
        })
    }
}

/// Counts of a partition that another process reads, or none, from what was committed.
pub(crate) fn count_committed(position: Option<&Position>, low: i64, high: i64) -> Count {
    let Some(position) = position else { return Count { unread: (high - low).max(0) as u64, pending: 0, dropped: 0 } };
    let mut position = position.clone();
    position.lose(position.floor, low);
    let unread = (high - position.floor).max(0) as u64 - position.done.count(position.floor, high);
    Count { unread, pending: 0, dropped: position.dropped }
}

fn entry_id(partition: i32, offset: i64) -> EntryId {
    EntryId(partition.max(0) as u64, offset.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content::Undecodable { reason: String::new(), bytes: Vec::new() }
    }

    fn books(fetched: i64) -> Books {
        let mut books = Books::default();
        books.open(0, Position::starting_at(0), 0);
        (0..fetched).for_each(|offset| assert_eq!(books.fetched(0, offset, content()), 0));
        books
    }

    fn offsets(handed: &[Handed]) -> Vec<u64> {
        handed.iter().map(|handed| handed.id.1).collect()
    }

    #[test]
    fn entries_are_handed_out_once_until_they_are_idle() {
        let mut books = books(6);
        let start = Instant::now();
        assert_eq!(offsets(&books.hand_out(4, 100, start)), [0, 1, 2, 3]);
        books.acknowledge(&[EntryId(0, 1), EntryId(0, 1), EntryId(0, 99), EntryId(7, 0)]);
        assert!(books.reclaim(Duration::from_secs(1), 9, start).is_empty());
        let again = books.reclaim(Duration::from_secs(1), 2, start + Duration::from_secs(1));
        assert_eq!((offsets(&again), again[0].deliveries), (vec![0, 2], 2));
        assert_eq!(books.count(0, 0, 10), Some(Count { unread: 6, pending: 3, dropped: 0 }));
        assert_eq!(offsets(&books.hand_out(9, 4, start)), [4], "no more than four may be open");
    }

    #[test]
    fn what_was_done_before_a_restart_is_not_handed_out() {
        let mut books = Books::default();
        let mut position = Position::starting_at(0);
        [0, 2, 3].into_iter().for_each(|offset| position.acknowledge(offset));
        books.open(0, Position::restore(position.floor, &position.metadata()), 0);
        (1..6).for_each(|offset| assert_eq!(books.fetched(0, offset, content()), 0));
        assert_eq!(books.count(0, 0, 6), Some(Count { unread: 3, pending: 0, dropped: 0 }));
        assert_eq!(offsets(&books.hand_out(9, 100, Instant::now())), [1, 4, 5]);
    }

    #[test]
    fn what_retention_deleted_is_counted_once() {
        let mut books = books(2);
        books.hand_out(1, 100, Instant::now());
        assert_eq!(books.count(0, 5, 9), Some(Count { unread: 1 + 4, pending: 1, dropped: 3 }));
        assert_eq!(books.fetched(0, 5, content()), 3);
        assert_eq!(books.count(0, 5, 9), Some(Count { unread: 2 + 3, pending: 1, dropped: 3 }));
        let mut later = Books::default();
        assert_eq!(later.open(0, Position::starting_at(2), 5), 3);
        assert_eq!(later.take_dirty(None)[0].1.dropped, 3);
        assert_eq!(count_committed(Some(&Position::starting_at(2)), 5, 9), Count { unread: 4, pending: 0, dropped: 3 });
    }

    #[test]
    fn a_partition_that_was_taken_away_is_forgotten() {
        let mut books = books(4);
        books.hand_out(2, 100, Instant::now());
        books.acknowledge(&[EntryId(0, 0)]);
        assert_eq!(books.take_dirty(None).len(), 1);
        assert!(books.take_dirty(None).is_empty());
        books.revoke(0);
        assert_eq!(books.load(), (0, 0));
        books.acknowledge(&[EntryId(0, 1)]);
        assert!(books.take_dirty(None).is_empty());
        assert_eq!(books.count(0, 0, 4), None);
    }
}
