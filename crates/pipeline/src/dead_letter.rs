//! The dead letter file: what cannot be processed is kept with its reason, never thrown away.
//!
//! `dead-letter.ndjson` in the pipeline's directory, one JSON object per line:
//! `{"timestamp":…,"stage":"router","reason":"…","event":{…}}`, or `"raw"` with the text instead of
//! `event` where it never became one (`"raw_base64"` if that is no text). A full file is renamed to `dead-letter-TIME-ID.ndjson`; the
//! oldest of those are deleted, and that is logged, when there are more than `files_max`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use ulid::Ulid;

/// Limits of the dead letter files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Size at which a file is closed and the next one begun. Default 64 MiB.
    pub file_bytes_max: NonZeroU64,
    /// Closed files kept. Default 16.
    pub files_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            file_bytes_max: const { NonZeroU64::new(64 << 20).expect("not zero") },
            files_max: const { NonZeroUsize::new(16).expect("not zero") },
        }
    }
}

/// One thing that could not be processed.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// When it was given up.
    pub timestamp: DateTime<Utc>,
    /// Stage that gave it up.
    pub stage: String,
    /// Why.
    pub reason: String,
    /// The event, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<SharedEvent>,
    /// The text it came as, otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Or the bytes, in base64, if they are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl Letter {
    /// A letter about an event.
    pub fn event(stage: &str, reason: impl Into<String>, event: SharedEvent) -> Self {
        Letter { event: Some(event), ..Letter::empty(stage, reason) }
    }

    /// A letter about text that is no event.
    pub fn raw(stage: &str, reason: impl Into<String>, raw: impl Into<String>) -> Self {
        Letter { raw: Some(raw.into()), ..Letter::empty(stage, reason) }
    }

    /// A letter about bytes that are no event.
    pub fn bytes(stage: &str, reason: impl Into<String>, bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Letter::raw(stage, reason, text),
            Err(error) => {
                Letter { raw_base64: Some(BASE64_STANDARD.encode(error.as_bytes())), ..Letter::empty(stage, reason) }
            }
        }
    }

    fn empty(stage: &str, reason: impl Into<String>) -> Self {
        Letter {
            timestamp: Utc::now(),
            stage: stage.into(),
            reason: reason.into(),
            event: None,
            raw: None,
            raw_base64: None,
        }
    }
}

/// Writes letters.
#[derive(Clone)]
pub struct DeadLetter {
    shelf: Arc<Mutex<Shelf>>,
}

struct Shelf {
    directory: PathBuf,
    config: Config,
}

const CURRENT: &str = "dead-letter.ndjson";

impl DeadLetter {
    /// Letters go to files in `directory`, which is created with the first letter.
    pub fn new(directory: PathBuf, config: Config) -> Self {
        DeadLetter { shelf: Arc::new(Mutex::new(Shelf { directory, config })) }
    }

    /// Writes the letters; they are on disk when this returns.
    ///
    /// # Errors
    /// `Full` when the disk is, `Unavailable` for any other failure; the file is named.
    pub async fn bury(&self, letters: Vec<Letter>) -> Result<(), PortError> {
        if letters.is_empty() {
            return Ok(());
        }
        let shelf = self.shelf.clone();
        let written = tokio::task::spawn_blocking(move || {
            let shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.append(&letters).map_err(|error| shelf.failure(error))
        });
        written.await.unwrap_or_else(|error| {
            Err(PortError::new(ErrorKind::Unavailable, "writing the dead letter file was interrupted")
                .with_source(error))
        })
    }
}

impl Shelf {
    fn append(&self, letters: &[Letter]) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(CURRENT);
        if std::fs::metadata(&path).is_ok_and(|file| file.len() >= self.config.file_bytes_max.get()) {
            self.rotate(&path)?;
        }
        let mut lines = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut lines, letter)?;
            lines.push(b'\n');
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        if !ends_with_newline(&mut file)? {
            file.write_all(b"\n")?;
        }
        file.write_all(&lines)?;
        file.sync_data()
    }

    fn rotate(&self, path: &Path) -> io::Result<()> {
        let time = Utc::now().format("%Y%m%dT%H%M%SZ");
        std::fs::rename(path, self.directory.join(format!("dead-letter-{time}-{}.ndjson", Ulid::generate())))?;
        let mut closed: Vec<PathBuf> = std::fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("dead-letter-"))
            .map(|entry| entry.path())
            .collect();
        closed.sort();
        let surplus = closed.len().saturating_sub(self.config.files_max.get());
        for oldest in closed.drain(..surplus) {
            tracing::error!(file = %oldest.display(), "deleting the oldest dead letter file: `files_max` is reached");
            std::fs::remove_file(oldest)?;
        }
        Ok(())
    }

    fn failure(&self, error: io::Error) -> PortError {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Unavailable,
        };
        let path = self.directory.join(CURRENT);
        PortError::new(kind, format!("cannot write {}", path.display())).with_source(error)
    }
}

/// Whether the file is empty or its last line is whole (a crash may have cut it).
fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[tokio::test]
    async fn letters_are_json_lines_with_their_reason() {
        let directory = tempfile::tempdir().unwrap();
        let dead = DeadLetter::new(directory.path().join("new"), Config::default());
        dead.bury(vec![Letter::raw("source", "not JSON", "{\"a\""), Letter::raw("source", "no id", "{}")])
            .await
            .unwrap();
        let found = lines(&directory.path().join("new").join(CURRENT));
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0]["reason"], &found[0]["raw"]), (&"not JSON".into(), &"{\"a\"".into()));
    }

    #[tokio::test]
    async fn a_line_cut_by_a_crash_does_not_swallow_the_next() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(CURRENT), "{\"cut\":").unwrap();
        let dead = DeadLetter::new(directory.path().into(), Config::default());
        dead.bury(vec![Letter::raw("source", "why", "x")]).await.unwrap();
        assert_eq!(lines(&directory.path().join(CURRENT)).len(), 1);
    }

    #[tokio::test]
    async fn full_files_are_closed_and_only_so_many_kept() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { file_bytes_max: NonZeroU64::new(1).unwrap(), files_max: NonZeroUsize::new(3).unwrap() };
        let dead = DeadLetter::new(directory.path().into(), config);
        for number in 0..10 {
            dead.bury(vec![Letter::raw("source", "why", number.to_string())]).await.unwrap();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
        assert_eq!(lines(&directory.path().join(CURRENT))[0]["raw"], "9");
    }

    #[tokio::test]
    async fn an_unwritable_directory_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        let dead = DeadLetter::new(directory.path().join("file"), Config::default());
        let error = dead.bury(vec![Letter::raw("source", "why", "x")]).await.unwrap_err();
        assert!(error.to_string().contains(CURRENT), "{error}");
    }
}
