//! Accounting for every event: produced = delivered + dropped + in flight, per hop.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        let gone = self.delivered + self.dropped.values().sum::<u64>();
        self.produced.saturating_sub(gone)
    }
}

/// Who keeps the account.
pub trait Ledger: Send + Sync {
    /// All hops now, by name.
    fn snapshot(&self) -> BTreeMap<String, HopCount>;
}
