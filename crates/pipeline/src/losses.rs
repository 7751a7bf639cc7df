//! How many entries each consumer group is known to have lost, kept over restarts: what a stream drops
//! while nobody reads it is found, counted and reported at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The known losses, in `losses.json` in the pipeline's directory.
pub(crate) struct KnownLosses {
    path: PathBuf,
    /// By stream and group.
    counts: Mutex<BTreeMap<String, u64>>,
}

impl KnownLosses {
    /// What is known; nothing if the file is not there or cannot be read.
    pub(crate) fn open(directory: &Path) -> KnownLosses {
        let path = directory.join("losses.json");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        KnownLosses { path, counts: Mutex::new(serde_json::from_str(&text).unwrap_or_default()) }
    }

    /// What the group was known to have lost; `None` if it was never asked.
    pub(crate) fn of(&self, stream: &str, group: &str) -> Option<u64> {
        self.locked().get(&key(stream, group)).copied()
    }

    /// Notes what the group has lost so far.
    pub(crate) fn note(&self, stream: &str, group: &str, lost: u64) {
        let mut counts = self.locked();
        if counts.insert(key(stream, group), lost) == Some(lost) {
            return;
        }
        if let Err(error) = self.save(&counts) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "losses known now may be reported again after a restart");
        }
    }

    /// Written whole beside the file and put in its place.
    fn save(&self, counts: &BTreeMap<String, u64>) -> std::io::Result<()> {
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let part = self.path.with_extension("part");
        std::fs::write(&part, serde_json::to_vec(counts)?)?;
        std::fs::rename(part, &self.path)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(stream: &str, group: &str) -> String {
    format!("{stream} {group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_survives_a_restart_and_a_damaged_file_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownLosses::open(&directory.path().join("pipeline"));
        assert_eq!(known.of("analytics", "store:lake"), None);
        known.note("analytics", "store:lake", 7);
        let known = KnownLosses::open(&directory.path().join("pipeline"));
        assert_eq!((known.of("analytics", "store:lake"), known.of("spool", "router")), (Some(7), None));
        std::fs::write(directory.path().join("pipeline/losses.json"), "{").unwrap();
        assert_eq!(KnownLosses::open(&directory.path().join("pipeline")).of("analytics", "store:lake"), None);
    }
}
