//! How far each file was read, durably: `positions.json` in the source's directory.
//!
//! It is written beside the old one and renamed, after the records up to there were made durable. So a
//! crash makes the follower read some records again, and lose none.

use super::head::Head;
use chrono::{DateTime, Utc};
use parapet_ports::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files remembered; those that were read longest ago are forgotten.
const FILES_MAX: usize = 1000;

/// How far one file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Name under which it is, or was, followed.
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) head: Head,
    /// Bytes whose records are durable.
    pub(super) offset: u64,
    /// When it was last looked at.
    pub(super) read_at: DateTime<Utc>,
    /// Nothing more is expected in it.
    pub(super) done: bool,
}

/// The positions of one source.
#[derive(Debug)]
pub(super) struct Positions {
    file: PathBuf,
    /// What the file holds.
    saved: Vec<Position>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    files: Vec<Position>,
}

impl Positions {
    /// Reads the positions of an earlier run, if there was one.
    ///
    /// # Errors
    /// If the file is there and cannot be read: reading everything again unasked could flood the
    /// pipeline.
    pub(super) fn open(directory: &Path) -> Result<Positions, PortError> {
        let file = directory.join("positions.json");
        let saved = match std::fs::read(&file) {
            Ok(bytes) => {
                let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| {
                    let message = format!(
                        "{} is damaged; delete it to read all files from their beginning again (events that are stored already are recognised)",
                        file.display()
                    );
                    PortError::new(ErrorKind::Corrupt, message).with_source(error)
                })?;
                saved.files
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let message = format!("cannot read {}", file.display());
                return Err(PortError::new(ErrorKind::Unavailable, message).with_source(error));
            }
        };
        Ok(Positions { file, saved })
    }

    /// All that is known.
    pub(super) fn all(&self) -> &[Position] {
        &self.saved
    }

    /// Replaces what is known and makes it durable.
    pub(super) fn save(&mut self, mut files: Vec<Position>) -> Result<(), PortError> {
        if files.len() > FILES_MAX {
            files.sort_by_key(|file| (file.done, std::cmp::Reverse(file.read_at)));
            files.truncate(FILES_MAX);
        }
        if files == self.saved {
            return Ok(());
        }
        let write = || {
            let directory = self.file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(directory)?;
            let mut new = tempfile::NamedTempFile::new_in(directory)?;
            serde_json::to_writer(&mut new, &Saved { version: 1, files: files.clone() })?;
            new.flush()?;
            new.as_file().sync_data()?;
            new.persist(&self.file)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| {
            PortError::new(ErrorKind::Unavailable, format!("cannot write {}", self.file.display())).with_source(error)
        })?;
        self.saved = files;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(path: &str, offset: u64) -> Position {
        let (head, _) = Head::read(path.as_bytes()).unwrap();
        let read_at = DateTime::from_timestamp(1_800_000_000 + i64::try_from(offset).unwrap(), 0).unwrap();
        Position { path: path.into(), device: 1, inode: 2, head, offset, read_at, done: false }
    }

    #[test]
    fn positions_survive_and_the_oldest_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("new");
        let mut positions = Positions::open(&place).unwrap();
        assert!(positions.all().is_empty());
        let many: Vec<_> =
            (0..FILES_MAX as u64 + 10).map(|number| position(&format!("/log/{number}"), number)).collect();
        positions.save(many.clone()).unwrap();
        let again = Positions::open(&place).unwrap();
        assert_eq!(again.all().len(), FILES_MAX);
        assert!(again.all().contains(&many[FILES_MAX + 9]) && !again.all().contains(&many[0]));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("positions.json"), "{").unwrap();
        let error = Positions::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("positions.json is damaged; delete it"), "{error}");
    }
}
