//! The journal's state in memory, and the small file that keeps groups and counters.

use super::group::{Group, SavedGroup, Ticket};
use super::report::Report;
use super::segment::{Extract, Segment};
use crate::directory::{keep_aside, replace_file};
use parapet_ports::SharedEvent;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::Path;

/// Events found in memory, with their sequence numbers; requests to segment files; sequence numbers
/// that are gone.
type Located = (Vec<(u64, SharedEvent)>, Vec<Extract>, Vec<u64>);

/// Name of the state file.
pub(crate) const STATE_FILE: &str = "groups.json";
const STATE_VERSION: u32 = 1;

/// Everything that appenders and readers share. Held under one lock, never during I/O.
#[derive(Debug)]
pub(crate) struct State {
    /// In order; the last one is being written.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// Sequence number of the next event.
    pub(crate) next: u64,
    pub(crate) cache: Cache,
    pub(crate) report: Report,
    /// Groups or counters changed since they were saved.
    pub(crate) unsaved: bool,
}

impl State {
    /// First sequence number that is still there.
    pub(crate) fn first(&self) -> u64 {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Everything below this was acknowledged by every group. Without groups nothing was.
    pub(crate) fn floor(&self) -> u64 {
        self.groups.values().map(Group::floor).min().unwrap_or(0)
    }

    /// Takes the oldest segment out and accounts for its events; `None` if only the one being written
    /// is left.
    pub(crate) fn remove_oldest(&mut self) -> Option<Removed> {
        if self.segments.len() < 2 {
            return None;
        }
        let segment = self.segments.pop_front()?;
        let events = segment.next - segment.first;
        let dropped = self.unacknowledged(segment.first, segment.next);
        self.report.dropped += dropped;
        self.report.trimmed += events - dropped;
        let first = self.first();
        for group in self.groups.values_mut() {
            group.skip_to(first);
        }
        self.cache.forget_below(first);
        self.unsaved = true;
        Some(Removed { segment, dropped })
    }

    /// Events of `first..next` that at least one group did not acknowledge; all of them without groups.
    fn unacknowledged(&self, first: u64, next: u64) -> u64 {
        let unread_from = self.groups.values().map(Group::next).min().unwrap_or(first).clamp(first, next);
        let open: BTreeSet<u64> = self
            .groups
            .values()
            .flat_map(|group| group.open_below(unread_from))
            .filter(|sequence| *sequence >= first)
            .collect();
        next - unread_from + open.len() as u64
    }

    /// Splits tickets into events in memory and requests to segment files.
    pub(crate) fn locate(&self, tickets: &[Ticket]) -> Located {
        let (mut cached, mut missing) = (Vec::new(), BTreeMap::<usize, Vec<u64>>::new());
        let mut gone = Vec::new();
        for ticket in tickets {
            let sequence = ticket.sequence;
            if let Some(event) = self.cache.get(sequence) {
                cached.push((sequence, event));
                continue;
            }
            let after = self.segments.partition_point(|segment| segment.first <= sequence);
            match after.checked_sub(1) {
                Some(at) => missing.entry(at).or_default().push(sequence),
                None => gone.push(sequence),
            }
        }
        let extracts = missing.into_iter().filter_map(|(at, mut wanted)| {
            wanted.sort_unstable();
            Some(self.segments.get(at)?.extract(wanted))
        });
        (cached, extracts.collect(), gone)
    }

    /// The durable form of groups and counters.
    pub(crate) fn save(&self) -> Saved {
        Saved {
            version: STATE_VERSION,
            trimmed: self.report.trimmed,
            dropped: self.report.dropped,
            lost: self.report.lost,
            groups: self.groups.iter().map(|(name, group)| (name.clone(), group.save())).collect(),
        }
    }
}

/// A segment taken out of the journal.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) segment: Segment,
    /// Events in it that some group had not acknowledged.
    pub(crate) dropped: u64,
}

/// The newest events, without gaps, up to a number of bytes of JSON.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    events: VecDeque<(SharedEvent, usize)>,
    first: u64,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    /// An empty cache.
    pub(crate) fn new(bytes_max: usize) -> Cache {
        Cache { bytes_max, ..Cache::default() }
    }

    /// Adds an event. A jump in the numbers empties the cache first.
    pub(crate) fn push(&mut self, sequence: u64, event: SharedEvent, bytes: usize) {
        if sequence != self.first + self.events.len() as u64 {
            self.events.clear();
            self.bytes = 0;
        }
        if self.events.is_empty() {
            self.first = sequence;
        }
        self.events.push_back((event, bytes));
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            self.pop();
        }
    }

    fn pop(&mut self) {
        match self.events.pop_front() {
            Some((_, bytes)) => {
                self.bytes -= bytes;
                self.first += 1;
            }
            None => self.bytes = 0,
        }
    }

    /// Forgets what every group is done with.
    pub(crate) fn forget_below(&mut self, sequence: u64) {
        while self.first < sequence && !self.events.is_empty() {
            self.pop();
        }
    }

    fn get(&self, sequence: u64) -> Option<SharedEvent> {
        let at = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.events.get(at).map(|(event, _)| event.clone())
    }
}

/// Content of the state file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Saved {
    version: u32,
    pub(crate) trimmed: u64,
    pub(crate) dropped: u64,
    pub(crate) lost: u64,
    pub(crate) groups: BTreeMap<String, SavedGroup>,
}

/// Outcome of reading the state file.
pub(crate) enum Loaded {
    /// There, or never written.
    Good(Saved),
    /// Unreadable and set aside; every group starts over.
    Damaged(String),
    /// Written by a newer version.
    Newer(u32),
}

/// Reads the state file of a journal.
pub(crate) fn load(directory: &Path) -> io::Result<Loaded> {
    let path = directory.join(STATE_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Good(Saved::default())),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Saved>(&bytes) {
        Ok(saved) if saved.version > STATE_VERSION => Ok(Loaded::Newer(saved.version)),
        Ok(saved) => Ok(Loaded::Good(saved)),
        Err(error) => {
            keep_aside(&path, 0, &bytes)?;
            Ok(Loaded::Damaged(error.to_string()))
        }
    }
}

/// Replaces the state file.
pub(crate) fn store(directory: &Path, saved: &Saved, durable: bool) -> io::Result<()> {
    let bytes = serde_json::to_vec(saved)?;
    replace_file(&directory.join(STATE_FILE), &bytes, durable)
}
