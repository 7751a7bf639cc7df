//! Damaged bytes: kept in a side file, logged, counted, reported.

use crate::clock;
use crate::directory::keep_aside;
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

/// Damages remembered; older ones are in the log.
const REMEMBERED_MAX: usize = 100;

/// Bytes that could not be used and were kept aside.
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

/// Keeps unreadable bytes of a file in a side file.
pub(crate) fn set_aside(owner: &str, file: &Path, offset: u64, bytes: &[u8], reason: String) -> Damage {
    let kept = keep_aside(file, offset, bytes);
    report(owner, file, offset, bytes.len() as u64, reason, kept)
}

/// Logs and counts damage that was dealt with.
pub(crate) fn report(
    owner: &str,
    file: &Path,
    offset: u64,
    bytes: u64,
    reason: String,
    kept: std::io::Result<PathBuf>,
) -> Damage {
    metrics::counter!("parapet_embedded_corrupt_bytes_total", "owner" => owner.to_owned()).increment(bytes);
    tracing::warn!(owner, file = %file.display(), offset, bytes, reason, kept = ?kept, "damaged bytes were set aside");
    Damage { file: file.to_owned(), offset, bytes, reason, kept: kept.ok(), found: clock::now() }
}

/// Adds to a list of damages, forgetting the oldest beyond the limit.
pub(crate) fn remember(damages: &mut Vec<Damage>, damage: Damage) {
    if damages.len() >= REMEMBERED_MAX {
        damages.remove(0);
    }
    damages.push(damage);
}
