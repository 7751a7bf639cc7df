//! The write-ahead log: every event in memory is also here, so that it survives a crash.
//!
//! Numbered files with the framing of `frame`; a record's payload is one event in its wire format.
//! A new file is started for each generation of events in memory, and a file is deleted when all of
//! its events are in published Parquet files.

use crate::damage::{Damage, set_aside};
use crate::directory::{io_error, numbered_file, numbered_files};
use crate::frame::{self, HEADER_BYTES, Header, Item, Kind, PAYLOAD_BYTES_MAX, Reader, header};
use crate::journal::Sync;
use datafusion::arrow::array::StringArray;
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "wal";

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct Wal {
    directory: PathBuf,
    sync: Sync,
    file: File,
    path: PathBuf,
    offset: u64,
    next: u64,
    torn: bool,
    unsynced: bool,
    buffer: Vec<u8>,
}

/// What the log of the last run still held.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) events: Vec<SharedEvent>,
    pub(crate) damages: Vec<Damage>,
}

impl Wal {
    /// Reads what is newer than `flushed` and starts a new file behind it.
    pub(crate) fn open(name: &str, directory: &Path, flushed: u64, sync: Sync) -> Result<(Wal, Replay), PortError> {
        fs::create_dir_all(directory).map_err(|error| io_error("create the directory", directory, error))?;
        let files = numbered_files(directory, EXTENSION).map_err(|error| io_error("list", directory, error))?;
        let mut replay = Replay::default();
        let mut next = flushed + 1;
        for (first, path) in &files {
            let last = replay_file(name, path, flushed, &mut replay)?;
            next = next.max(last + 1).max(*first);
        }
        let (path, file) = start(directory, next).map_err(|error| io_error("start a log in", directory, error))?;
        let wal = Wal {
            directory: directory.to_owned(),
            sync,
            file,
            path,
            offset: HEADER_BYTES,
            next,
            torn: false,
            unsynced: false,
            buffer: Vec::new(),
        };
        Ok((wal, replay))
    }

    /// Number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Appends events in one write, all or nothing.
    pub(crate) fn append(&mut self, events: &StringArray) -> Result<(), PortError> {
        self.buffer.clear();
        let mut next = self.next;
        for event in events.iter().flatten() {
            if event.len() > PAYLOAD_BYTES_MAX {
                let message = format!("an event of {} bytes exceeds {PAYLOAD_BYTES_MAX}", event.len());
                return Err(PortError::new(ErrorKind::Rejected, message));
            }
            frame::push(&mut self.buffer, next, event.as_bytes());
            next += 1;
        }
        let outcome = self.write();
        if let Err(error) = outcome {
            self.torn = self.file.set_len(self.offset).is_err();
            return Err(io_error("append to", &self.path, error));
        }
        self.offset += self.buffer.len() as u64;
        self.next = next;
        self.unsynced = self.sync == Sync::Interval;
        if self.buffer.capacity() > 8 << 20 {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.offset)?;
            self.torn = false;
        }
        self.file.write_all_at(&self.buffer, self.offset)?;
        if self.sync == Sync::Always { self.file.sync_data() } else { Ok(()) }
    }

    /// The file to sync, if something was written since the last time.
    pub(crate) fn unsynced(&mut self) -> Option<io::Result<File>> {
        std::mem::take(&mut self.unsynced).then(|| self.file.try_clone())
    }

    /// Starts a new file, so that the one before can be deleted as a whole later.
    pub(crate) fn rotate(&mut self) -> Result<(), PortError> {
        if self.offset == HEADER_BYTES {
            return Ok(());
        }
        let error = |error| io_error("start a log in", &self.directory, error);
        if self.sync != Sync::Never {
            self.file.sync_data().map_err(error)?;
        }
        let (path, file) = start(&self.directory, self.next).map_err(error)?;
        self.path = path;
        self.file = file;
        self.offset = HEADER_BYTES;
        Ok(())
    }
}

fn start(directory: &Path, first: u64) -> io::Result<(PathBuf, File)> {
    let path = numbered_file(directory, first, EXTENSION);
    let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
    file.write_all_at(&header(Kind::WriteAhead, first), 0)?;
    Ok((path, file))
}

/// Deletes files whose events all have numbers up to `flushed`.
pub(crate) fn delete_flushed(directory: &Path, flushed: u64) -> io::Result<()> {
    let files = numbered_files(directory, EXTENSION)?;
    for pair in files.windows(2) {
        if let [(_, path), (next, _)] = pair
            && *next <= flushed + 1
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Reads one file; returns the highest number in it (or 0).
fn replay_file(name: &str, path: &Path, flushed: u64, replay: &mut Replay) -> Result<u64, PortError> {
    let failed = |error| io_error("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let end = file.metadata().map_err(failed)?.len();
    if let Header::Newer(version) = frame::read_header(&file, Kind::WriteAhead).map_err(failed)? {
        let message =
            format!("{} has format version {version}, written by a newer release; run that release", path.display());
        return Err(PortError::new(ErrorKind::Unsupported, message));
    }
    let mut reader = Reader::new(&file, HEADER_BYTES, end);
    let mut last = 0;
    while let Some(item) = reader.next().map_err(failed)? {
        match item {
            Item::Record { sequence, .. } if sequence <= flushed => last = last.max(sequence),
            Item::Record { offset, sequence, payload } => {
                last = last.max(sequence);
                match SharedEvent::from_own_json(payload) {
                    Ok(event) => replay.events.push(event),
                    Err(error) => {
                        let reason = format!("record {sequence} is no event: {error}");
                        replay.damages.push(set_aside(name, path, offset, payload, reason));
                    }
                }
            }
            Item::Damage { from, to, .. } => {
                let bytes = frame::copy(&file, from, to).map_err(failed)?;
                replay.damages.push(set_aside(name, path, from, &bytes, "not a valid record".to_owned()));
            }
        }
    }
    Ok(last)
}
