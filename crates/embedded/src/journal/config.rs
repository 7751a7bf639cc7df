//! Configuration of a journal.

use parapet_ports::{ErrorKind, PortError};
use serde::Deserialize;
use std::time::Duration;

/// What happens to an append when the declared size limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The append fails with `Full`; nothing that was accepted is given up.
    #[default]
    Reject,
    /// The oldest segment is deleted and the events in it that some group had not acknowledged are
    /// counted as dropped.
    DropOldest,
}

/// When written bytes are forced to the disk. It matters for power failures only: bytes handed to the
/// operating system survive the death of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// When the operating system likes.
    Never,
    /// Every `sync_interval_ms`.
    #[default]
    Interval,
    /// Before an append returns.
    Always,
}

/// Configuration of a journal (`kind = "journal"`). Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Limit of all segments together. Default 4 GiB.
    pub max_bytes: u64,
    /// What happens at that limit. Default `reject`.
    pub when_full: WhenFull,
    /// A new segment is started at this size. Default 64 MiB.
    pub segment_bytes: u64,
    /// Default `interval`.
    pub sync: Sync,
    /// Default 200.
    pub sync_interval_ms: u64,
    /// Acknowledgements are written to the disk together, this often. Default 100.
    pub acknowledge_interval_ms: u64,
    /// Segments that every group acknowledged are kept while all of them together are smaller than
    /// this. Default 0.
    pub retain_bytes: u64,
    /// Segments that every group acknowledged are kept for this long. Default 0.
    pub retain_seconds: u64,
    /// Entries that a group may have read without acknowledging them; a group with so many gets no
    /// new ones. Default 100,000.
    pub max_pending: usize,
    /// Newest events kept in memory, so that readers that keep up need not read and parse them again. Counted
    /// by their JSON, which is kept too; the events themselves come on top. Default 16 MiB.
    pub cache_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_bytes: 4 << 30,
            when_full: WhenFull::Reject,
            segment_bytes: 64 << 20,
            sync: Sync::Interval,
            sync_interval_ms: 200,
            acknowledge_interval_ms: 100,
            retain_bytes: 0,
            retain_seconds: 0,
            max_pending: 100_000,
            cache_bytes: 16 << 20,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// `Config`, naming the field and what it may be.
    pub fn validate(&self, name: &str) -> Result<(), PortError> {
        let problem = if !(4096..=1 << 30).contains(&self.segment_bytes) {
            "segment_bytes must lie between 4096 and 1073741824"
        } else if self.max_bytes < 2 * self.segment_bytes {
            "max_bytes must be at least twice segment_bytes"
        } else if !(1..=60_000).contains(&self.sync_interval_ms) {
            "sync_interval_ms must lie between 1 and 60000"
        } else if !(1..=60_000).contains(&self.acknowledge_interval_ms) {
            "acknowledge_interval_ms must lie between 1 and 60000"
        } else if !(1..=10_000_000).contains(&self.max_pending) {
            "max_pending must lie between 1 and 10000000"
        } else if self.retain_bytes > self.max_bytes {
            "retain_bytes must not be larger than max_bytes"
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}")))
    }

    /// How often the background thread wakes.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(self.acknowledge_interval_ms.min(self.sync_interval_ms))
    }
}
