//! Files that a log was rotated into: which of them hold something that was not read.

use super::compressed::{is_compressed, open_log};
use super::head::Head;
use super::positions::Position;
use chrono::{DateTime, TimeDelta, Utc};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Clocks of file systems are coarse, and a rotation takes a moment.
const SLACK: TimeDelta = TimeDelta::seconds(5);
/// Rotated files of one log that are looked at, the newest ones.
const FILES_MAX: usize = 200;

/// A rotated file with something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) head: Head,
    /// From here.
    pub(super) offset: u64,
}

/// Rotated files of `log` that hold something new, the oldest first. `known` are the positions of the
/// source. A file that nothing is known of counts if it was written after the log was last looked at;
/// a log that was never looked at has missed nothing.
pub(super) fn missed(log: &Path, known: &[Position]) -> Vec<Missed> {
    let Some(since) = known.iter().filter(|file| file.path == log).map(|file| file.read_at).max() else {
        return Vec::new();
    };
    let mut found: Vec<Missed> = Vec::new();
    for (path, modified) in siblings(log) {
        let looked = look(&path, modified, known, since - SLACK);
        match looked {
            Ok(Some(file)) => match found.iter_mut().find(|other| other.head == file.head) {
                // The same text in two files: one is being compressed, or was copied.
                Some(other) if is_compressed(&other.path) => *other = file,
                Some(_) => {}
                None => found.push(file),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(file = %path.display(), %error, "a rotated log cannot be read"),
        }
    }
    found
}

/// What there is to read in one rotated file.
fn look(path: &Path, modified: DateTime<Utc>, known: &[Position], since: DateTime<Utc>) -> io::Result<Option<Missed>> {
    let metadata = std::fs::metadata(path)?;
    let (head, bytes) = Head::read(open_log(path, 0)?)?;
    if head.is_empty() {
        return Ok(None);
    }
    let offset = match known.iter().filter(|file| file.head.matches(&bytes)).max_by_key(|file| (file.done, file.offset))
    {
        Some(file) if file.done => return Ok(None),
        Some(file) if !is_compressed(path) && metadata.len() <= file.offset => return Ok(None),
        Some(file) => file.offset,
        None if modified < since => return Ok(None),
        None => 0,
    };
    Ok(Some(Missed { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino(), head, offset }))
}

/// A copy of a truncated log: a rotated file that begins with the same bytes and has more than
/// `offset` of them.
pub(super) fn copy_of(log: &Path, head: &Head, offset: u64) -> Option<PathBuf> {
    let holds = |path: &Path| {
        let (_, bytes) = Head::read(open_log(path, 0)?)?;
        Ok::<_, io::Error>(head.matches(&bytes) && (is_compressed(path) || std::fs::metadata(path)?.len() >= offset))
    };
    siblings(log).into_iter().rev().map(|(path, _)| path).find(|path| holds(path).unwrap_or(false))
}

/// Files that the log may have been rotated into, the oldest first: `audit.log.1`, `audit.log.2.gz`,
/// `audit.log-20261128`, `audit-20261128.log.zst`.
fn siblings(log: &Path) -> Vec<(PathBuf, DateTime<Utc>)> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_sibling = |other: &str| {
        let plain = other.strip_suffix(".gz").or_else(|| other.strip_suffix(".zst")).unwrap_or(other);
        let dated = || plain.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?.bytes().next();
        other != name && (other.starts_with(&format!("{name}.")) || other.starts_with(&format!("{name}-")))
            || dated().is_some_and(|first| first.is_ascii_digit())
    };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<(DateTime<Utc>, bool, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_sibling))
        .filter_map(|entry| {
            let metadata = std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
            let path = entry.path();
            Some((metadata.modified().ok()?.into(), !is_compressed(&path), path))
        })
        .collect();
    found.sort();
    let surplus = found.len().saturating_sub(FILES_MAX);
    found.drain(..surplus);
    found.into_iter().map(|(modified, _, path)| (path, modified)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn position(path: &Path, text: &str, offset: u64, done: bool) -> Position {
        let (head, _) = Head::read(text.as_bytes()).unwrap();
        Position { path: path.into(), device: 0, inode: 0, head, offset, read_at: Utc::now(), done }
    }

    fn compress(path: &Path, text: &str) {
        let file = std::fs::File::create(path).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap();
    }

    #[test]
    fn what_was_not_read_is_found_whatever_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let log = place("audit.log");
        let known = [position(&log, "first\nsecond\n", 6, false), position(&log, "finished\n", 9, true)];
        compress(&place("audit.log.2.gz"), "first\nsecond\nthird\n");
        std::fs::write(place("audit.log-20261128"), "finished\n").unwrap();
        std::fs::write(place("audit.log.1"), "never seen\n").unwrap();
        std::fs::write(place("audit-index.log"), "another log\n").unwrap();
        std::fs::write(&log, "live\n").unwrap();
        let found: Vec<_> = missed(&log, &known).into_iter().map(|file| (file.path, file.offset)).collect();
        assert_eq!(found, [(place("audit.log.2.gz"), 6), (place("audit.log.1"), 0)]);
        assert!(missed(&log, &[]).is_empty(), "a log that was never followed has missed nothing");
    }

    #[test]
    fn older_files_that_nothing_is_known_of_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("audit.log");
        let old = directory.path().join("audit.log.1");
        std::fs::write(&old, "from before\n").unwrap();
        let mut known = position(&log, "live\n", 5, false);
        known.read_at = Utc::now() + TimeDelta::hours(1);
        assert!(missed(&log, &[known]).is_empty());
    }

    #[test]
    fn the_copy_of_a_truncated_log_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("audit.log");
        let (head, _) = Head::read(&b"one\ntwo\n"[..]).unwrap();
        std::fs::write(directory.path().join("audit.log.1"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(directory.path().join("audit.log.2"), "zero\n").unwrap();
        assert_eq!(copy_of(&log, &head, 4), Some(directory.path().join("audit.log.1")));
        assert_eq!(copy_of(&log, &head, 400), None);
    }
}
