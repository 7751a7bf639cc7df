//! Accounting for every event: produced = delivered + dropped + in flight, per hop.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ulid::Ulid;

/// One hop of the pipeline, for example `spool`, `track:realtime`, `store:lakehouse`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopCount {
    /// Events handed to the hop.
    pub produced: u64,
    /// Events the hop confirmed.
    pub delivered: u64,
    /// Events given up, by reason.
    pub dropped: BTreeMap<String, u64>,
}

impl HopCount {
    /// Events that are neither delivered nor dropped.
    pub fn in_flight(&self) -> u64 {
        self.produced.saturating_sub(self.gone())
    }

    /// Whether the account can be true: no more went out than came in.
    pub fn adds_up(&self) -> bool {
        self.gone() <= self.produced
    }

    /// Adds the account of the same hop in another process.
    pub fn add(&mut self, other: &HopCount) {
        self.produced += other.produced;
        self.delivered += other.delivered;
        for (reason, events) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += events;
        }
    }

    fn gone(&self) -> u64 {
        self.delivered + self.dropped.values().sum::<u64>()
    }
}

/// What a hop saw of the numbers of one producer. All numbers from `first` to `highest` are either seen,
/// left out, read elsewhere, in flight or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCount {
    /// The hop.
    pub hop: String,
    /// Start of the process that numbered the events.
    pub instance: Ulid,
    /// Worker number within it.
    pub worker: u16,
    /// First number seen.
    pub first: u64,
    /// Highest number seen.
    pub highest: u64,
    /// Numbers seen.
    pub seen: u64,
    /// Numbers that were dropped before, for a reason that the ledger has, or belong on another track.
    pub left_out: u64,
    /// Numbers that other processes read, where several share the stream.
    pub elsewhere: u64,
    /// Numbers that are missing and may still come.
    pub in_flight: u64,
    /// Numbers that are lost.
    pub lost: u64,
    /// The lost numbers as ranges, both ends included; of many the newest.
    pub gaps: Vec<(u64, u64)>,
}

/// Who keeps the account.
pub trait Ledger: Send + Sync {
    /// All hops now, by name.
    fn snapshot(&self) -> BTreeMap<String, HopCount>;
}
