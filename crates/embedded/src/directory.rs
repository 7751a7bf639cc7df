//! A data directory that one process owns: its lock, atomic replacement of small files, and side
//! files for bytes that could not be used.

use crate::clock;
use parapet_ports::{ErrorKind, PortError};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A directory held for this process until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the directory if needed and takes its lock.
    ///
    /// # Errors
    /// `Unavailable` if another process holds it or it cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Directory, PortError> {
        fs::create_dir_all(path).map_err(|error| io_error("create the directory", path, error))?;
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(|error| io_error("open the lock file", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PortError::new(
                ErrorKind::Unavailable,
                format!(
                    "{} is in use by another process; stop it or give this one a directory of its own",
                    path.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &lock_path, error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Puts an I/O error into words: what was tried, where, and what to do about a full disk.
pub(crate) fn io_error(action: &str, path: &Path, error: io::Error) -> PortError {
    let full = is_full(&error);
    let advice = if full { " (free some space or lower the configured size limits)" } else { "" };
    let kind = if full { ErrorKind::Full } else { ErrorKind::Unavailable };
    PortError::new(kind, format!("cannot {action} {}{advice}", path.display())).with_source(error)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Replaces a file so that a crash leaves either the old or the new content. With `durable` that also
/// holds for a power failure.
pub(crate) fn replace_file(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    if durable {
        file.sync_data()?;
    }
    drop(file);
    fs::rename(&temporary, path)?;
    if durable {
        sync_parent(path)?;
    }
    Ok(())
}

/// Makes creation, renaming or deletion of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Keeps `bytes` found at `offset` of `path` in a side file `<name>.<offset>.corrupt-<time>` and
/// returns its path. Bytes of the same place that were kept before are not kept twice.
pub(crate) fn keep_aside(path: &Path, offset: u64, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.{offset}.corrupt-");
    let parent = path.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(entry.path());
        }
    }
    let side = parent.join(format!("{prefix}{}", clock::now().format("%Y%m%dT%H%M%S%3fZ")));
    fs::write(&side, bytes)?;
    Ok(side)
}

/// Numbered files `<20 digits>.<extension>` of a directory, in order of their numbers.
pub(crate) fn numbered_files(directory: &Path, extension: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.len() == 20);
        if let Some(number) = number.and_then(|stem| stem.parse().ok())
            && path.extension().is_some_and(|found| found == extension)
        {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Path of a numbered file, see [`numbered_files`].
pub(crate) fn numbered_file(directory: &Path, number: u64, extension: &str) -> PathBuf {
    directory.join(format!("{number:020}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_that_the_directory_is_in_use() {
        let scratch = tempfile::tempdir().unwrap();
        let first = Directory::open(scratch.path()).unwrap();
        let error = Directory::open(scratch.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.to_string().contains("in use by another process"), "{error}");
        drop(first);
        Directory::open(scratch.path()).unwrap();
    }

    #[test]
    fn the_same_damage_is_kept_aside_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.log");
        let first = keep_aside(&path, 7, b"xyz").unwrap();
        assert_eq!(keep_aside(&path, 7, b"xyz").unwrap(), first);
        assert_ne!(keep_aside(&path, 8, b"xyz").unwrap(), first);
        assert_eq!(fs::read(first).unwrap(), b"xyz");
    }
}
