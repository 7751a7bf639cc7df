//! What a journal had to give up or set aside, for operators and the ledger.

use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// Damages remembered; older ones are in the log.
const DAMAGES_MAX: usize = 100;

/// Bytes that could not be used and were kept in a side file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File in which they were found.
    pub file: PathBuf,
    /// Where in that file.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Why they could not be used.
    pub reason: String,
    /// Where they are now; absent if they could not be kept.
    pub kept: Option<PathBuf>,
    /// When they were found.
    pub found: DateTime<Utc>,
}

/// Account of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events ever appended.
    pub appended: u64,
    /// Events deleted after every group had acknowledged them.
    pub trimmed: u64,
    /// Events given up at the size limit before every group had acknowledged them.
    pub dropped: u64,
    /// Events that readers found missing or unreadable, summed over groups.
    pub lost: u64,
    /// Bytes of all segments now.
    pub bytes: u64,
    /// Damage found since the journal was opened, the newest 100.
    pub damages: Vec<Damage>,
}

impl Report {
    /// Adds a damage, forgetting the oldest beyond the limit.
    pub(crate) fn add(&mut self, damage: Damage) {
        if self.damages.len() >= DAMAGES_MAX {
            self.damages.remove(0);
        }
        self.damages.push(damage);
    }
}
