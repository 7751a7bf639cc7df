//! One segment file: where its records are, and reading them.

use crate::clock;
use crate::directory::numbered_file;
use crate::frame::{HEADER_BYTES, Header, Item, Kind, Reader, copy, header, read_header};
use chrono::{DateTime, Utc};
use parapet_ports::SharedEvent;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// File name extension of segments.
pub(crate) const EXTENSION: &str = "segment";
/// One known position per so many bytes is enough to find a record quickly.
const INDEX_STEP_BYTES: u64 = 64 << 10;
/// Bytes of payload that one read takes out of a segment.
const READ_BYTES_MAX: usize = 32 << 20;

/// What is known about a segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Sequence number of its first record.
    pub(crate) first: u64,
    /// First sequence number that belongs to a later segment.
    pub(crate) next: u64,
    /// Bytes written, header included.
    pub(crate) bytes: u64,
    /// When the last event was appended.
    pub(crate) modified: DateTime<Utc>,
    /// Known positions: sequence number and offset, ascending.
    index: Vec<(u64, u64)>,
    /// Offsets of damage that was reported already.
    pub(crate) reported: BTreeSet<u64>,
}

impl Segment {
    /// A segment of an existing file that holds `first..next`.
    pub(crate) fn existing(path: PathBuf, first: u64, next: u64, bytes: u64) -> Segment {
        Segment { path, first, next, bytes, modified: clock::now(), index: Vec::new(), reported: BTreeSet::new() }
    }

    /// Creates the file of a new segment. A file that could not be completed is not left behind.
    pub(crate) fn create(directory: &Path, first: u64) -> io::Result<(Segment, File)> {
        let path = numbered_file(directory, first, EXTENSION);
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        if let Err(error) = file.write_all_at(&header(Kind::Journal, first), 0) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok((Segment::existing(path, first, first, HEADER_BYTES), file))
    }

    /// Notes that a record stands at an offset.
    pub(crate) fn note(&mut self, sequence: u64, offset: u64) {
        let at = self.index.partition_point(|(known, _)| *known <= sequence);
        let far =
            |known: Option<&(u64, u64)>| known.is_none_or(|(_, there)| there.abs_diff(offset) >= INDEX_STEP_BYTES);
        if far(at.checked_sub(1).and_then(|before| self.index.get(before))) && far(self.index.get(at)) {
            self.index.insert(at, (sequence, offset));
        }
    }

    /// Where to start looking for a record.
    pub(crate) fn offset_before(&self, sequence: u64) -> u64 {
        let at = self.index.partition_point(|(known, _)| *known <= sequence);
        at.checked_sub(1).and_then(|before| self.index.get(before)).map_or(HEADER_BYTES, |(_, offset)| *offset)
    }

    /// Everything a reader needs to get these entries without holding any lock.
    pub(crate) fn extract(&self, wanted: Vec<u64>) -> Extract {
        let start = wanted.first().map_or(HEADER_BYTES, |first| self.offset_before(*first));
        Extract { path: self.path.clone(), first: self.first, start, end: self.bytes, next: self.next, wanted }
    }
}

/// Bytes of a segment that are no readable records.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reason: String,
}

/// A request to read entries from one segment.
#[derive(Debug)]
pub(crate) struct Extract {
    pub(crate) path: PathBuf,
    /// Identifies the segment.
    pub(crate) first: u64,
    start: u64,
    end: u64,
    next: u64,
    /// Ascending.
    wanted: Vec<u64>,
}

/// The answer to an [`Extract`].
#[derive(Debug, Default)]
pub(crate) struct Extracted {
    pub(crate) events: Vec<(u64, SharedEvent)>,
    /// Wanted, but not there any more.
    pub(crate) lost: Vec<u64>,
    /// Wanted, but the read was long enough already.
    pub(crate) rest: Vec<u64>,
    pub(crate) unreadable: Vec<Unreadable>,
    /// Records passed: sequence number and offset.
    pub(crate) positions: Vec<(u64, u64)>,
}

impl Extract {
    /// Reads the wanted entries. A segment deleted meanwhile loses all of them.
    pub(crate) fn read(&self) -> io::Result<Extracted> {
        let mut found = Extracted::default();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.lost.clone_from(&self.wanted);
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        let mut reader = Reader::new(&file, self.start, self.end);
        let mut wanted = self.wanted.iter().copied().peekable();
        let mut taken = 0;
        while let Some(next_wanted) = wanted.peek().copied() {
            if taken > READ_BYTES_MAX {
                found.rest.extend(wanted);
                break;
            }
            match reader.next()? {
                Some(Item::Record { offset, sequence, payload }) => {
                    found.positions.push((sequence, offset));
                    // Records beyond `next` are leftovers of an append that failed.
                    if sequence >= self.next {
                        continue;
                    }
                    while let Some(missing) = wanted.next_if(|wanted| *wanted < sequence) {
                        found.lost.push(missing);
                    }
                    if wanted.next_if_eq(&sequence).is_none() {
                        continue;
                    }
                    taken += payload.len();
                    match SharedEvent::from_own_json(payload) {
                        Ok(event) => found.events.push((sequence, event)),
                        Err(error) => {
                            found.lost.push(sequence);
                            let reason = format!("record {sequence} is no event: {error}");
                            found.unreadable.push(Unreadable { offset, bytes: payload.to_vec(), reason });
                        }
                    }
                }
                Some(Item::Damage { from, to, .. }) => {
                    let reason = "not a valid record".to_owned();
                    found.unreadable.push(Unreadable { offset: from, bytes: copy(&file, from, to)?, reason });
                }
                None => {
                    found.lost.push(next_wanted);
                    wanted.next();
                }
            }
        }
        Ok(found)
    }
}

/// What a scan of the newest segment found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) segment: Segment,
    /// Damage, the tail last.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// Reads the whole of the segment that was being written when the process ended. Its size is cut to
/// the last whole record.
pub(crate) fn recover(path: PathBuf, first: u64, file: &File) -> io::Result<Scan> {
    let length = file.metadata()?.len();
    let mut segment = Segment::existing(path, first, first, HEADER_BYTES);
    let mut unreadable = Vec::new();
    if length < HEADER_BYTES {
        // The process died between creating the file and writing its header.
        file.set_len(0)?;
        file.write_all_at(&header(Kind::Journal, first), 0)?;
        return Ok(Scan { segment, unreadable });
    }
    if read_header(file, Kind::Journal)? != Header::Good(first) {
        let reason = "not a valid segment header".to_owned();
        unreadable.push(Unreadable { offset: 0, bytes: copy(file, 0, HEADER_BYTES)?, reason });
        file.write_all_at(&header(Kind::Journal, first), 0)?;
    }
    let mut reader = Reader::new(file, HEADER_BYTES, length);
    while let Some(item) = reader.next()? {
        match item {
            Item::Record { offset, sequence, .. } => {
                segment.note(sequence, offset);
                segment.next = segment.next.max(sequence.saturating_add(1));
                segment.bytes = reader.position();
            }
            Item::Damage { from, to, tail } => {
                let reason = if tail { "no whole record follows" } else { "not a valid record" };
                let bytes = copy(file, from, to)?;
                unreadable.push(Unreadable { offset: from, bytes, reason: reason.to_owned() });
                segment.reported.insert(from);
            }
        }
    }
    file.set_len(segment.bytes)?;
    Ok(Scan { segment, unreadable })
}
