//! The journal's files: opening and recovery, appending, rotation, trimming, reading.

use super::config::{Config, Sync, WhenFull};
use super::group::{Group, Ticket};
use super::report::Report;
use super::segment::{EXTENSION, Extracted, Segment, Unreadable, recover};
use super::state::{self, Cache, Loaded, Removed, State};
use crate::clock;
use crate::damage::{remember, set_aside};
use crate::directory::{Directory, io_error, numbered_files, sync_parent};
use crate::frame::{self, HEADER_BYTES, Header, Kind, PAYLOAD_BYTES_MAX, RECORD_OVERHEAD};
use parapet_event::SecurityEvent;
use parapet_ports::{ErrorKind, PortError};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Consumer groups of one journal.
const GROUPS_MAX: usize = 64;

/// An open journal. All methods block; callers on async threads go through `spawn_blocking`.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) config: Config,
    directory: Directory,
    writer: Mutex<Writer>,
    state: Mutex<State>,
    /// Serialises writes of the state file.
    saving: Mutex<()>,
    /// Woken when something can be read.
    pub(crate) readable: Notify,
}

/// The end of the newest segment.
#[derive(Debug)]
struct Writer {
    file: File,
    offset: u64,
    buffer: Vec<u8>,
    /// A failed append may have left bytes after `offset`.
    torn: bool,
    /// Bytes were written since the last sync.
    unsynced: bool,
}

/// Poisoning only says that another thread panicked while it held the lock; every critical section
/// here leaves the data consistent at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens the journal of a directory, repairing what a crash left behind.
    pub(crate) fn open(name: &str, config: Config, path: &Path) -> Result<Log, PortError> {
        let directory = Directory::open(path)?;
        let path = directory.path();
        let read_error = |error| io_error("read", path, error);
        let saved = match state::load(path).map_err(read_error)? {
            Loaded::Good(saved) => saved,
            Loaded::Newer(version) => return Err(newer(&path.join(state::STATE_FILE), version)),
            Loaded::Damaged(reason) => {
                tracing::warn!(
                    stream = name,
                    reason,
                    "the groups of the journal were unreadable; all events are delivered again"
                );
                state::Saved::default()
            }
        };
        let groups: BTreeMap<String, Group> = saved
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), Group::restore(group, config.max_pending)))
            .collect();
        let mut report =
            Report { trimmed: saved.trimmed, dropped: saved.dropped, lost: saved.lost, ..Report::default() };
        let (mut segments, unreadable) = open_segments(path)?;
        // A damaged tail must not lead to numbers that a group has acknowledged already.
        let read_up_to = groups.values().map(Group::next).max().unwrap_or(1);
        let written_up_to = segments.back().map_or(1, |segment| segment.next);
        let next = written_up_to.max(read_up_to);
        if segments.back().is_none_or(|segment| segment.next < next) {
            let (segment, _) =
                Segment::create(path, next).map_err(|error| io_error("create a segment in", path, error))?;
            if let Some(last) = segments.back_mut() {
                last.next = next;
            }
            segments.push_back(segment);
        }
        let Some(newest) = segments.back() else {
            return Err(PortError::new(
                ErrorKind::Unavailable,
                format!("{}: no segment could be opened", path.display()),
            ));
        };
        let file = File::options()
            .read(true)
            .write(true)
            .open(&newest.path)
            .map_err(|error| io_error("open", &newest.path, error))?;
        let writer = Writer { file, offset: newest.bytes, buffer: Vec::new(), torn: false, unsynced: false };
        report.appended = next - 1;
        let cache = Cache::new(config.cache_bytes);
        let mut state = State { segments, groups, next, cache, report, unsaved: true };
        let first = state.first();
        for group in state.groups.values_mut() {
            group.skip_to(first);
        }
        for (path, damage) in unreadable {
            let damage = set_aside(name, &path, damage.offset, &damage.bytes, damage.reason);
            remember(&mut state.report.damages, damage);
        }
        Ok(Log {
            name: name.to_owned(),
            config,
            writer: Mutex::new(writer),
            state: Mutex::new(state),
            saving: Mutex::new(()),
            readable: Notify::new(),
            directory,
        })
    }

    /// The state, for a short time.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Appends a batch in one write.
    pub(crate) fn append(&self, events: &[Arc<SecurityEvent>]) -> Result<(), PortError> {
        let (payloads, lengths) = encode(&self.name, events)?;
        let size = (payloads.len() + lengths.len() * RECORD_OVERHEAD) as u64;
        if size + HEADER_BYTES > self.config.max_bytes {
            let message =
                format!("{}: a batch of {size} bytes exceeds max_bytes ({})", self.name, self.config.max_bytes);
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
        let mut writer = lock(&self.writer);
        self.make_room(&mut writer, size)?;
        if writer.offset > HEADER_BYTES && writer.offset + size > self.config.segment_bytes {
            self.rotate(&mut writer)?;
        }
        let first = self.state().next;
        let offset = writer.offset;
        writer.buffer.clear();
        let mut start = 0;
        for (sequence, length) in (first..).zip(&lengths) {
            let payload = payloads.get(start..start + length).unwrap_or(&[]);
            frame::push(&mut writer.buffer, sequence, payload);
            start += length;
        }
        self.write(&mut writer)?;
        let mut state = self.state();
        let mut position = offset;
        for ((sequence, event), length) in (first..).zip(events).zip(&lengths) {
            if let Some(segment) = state.segments.back_mut() {
                segment.note(sequence, position);
            }
            position += (RECORD_OVERHEAD + length) as u64;
            state.cache.push(sequence, Arc::clone(event), *length);
        }
        state.next = first + events.len() as u64;
        state.report.appended = state.next - 1;
        let next = state.next;
        if let Some(segment) = state.segments.back_mut() {
            segment.next = next;
            segment.bytes = writer.offset;
        }
        drop(state);
        drop(writer);
        self.readable.notify_waiters();
        metrics::counter!("parapet_journal_appended_total", "stream" => self.name.clone())
            .increment(events.len() as u64);
        Ok(())
    }

    /// Writes the buffer at the end of the newest segment, or nothing at all.
    fn write(&self, writer: &mut Writer) -> Result<(), PortError> {
        let path = || self.state().segments.back().map(|segment| segment.path.clone()).unwrap_or_default();
        if writer.torn {
            writer.file.set_len(writer.offset).map_err(|error| io_error("repair", &path(), error))?;
            writer.torn = false;
        }
        let mut outcome = writer.file.write_all_at(&writer.buffer, writer.offset);
        if outcome.is_ok() && self.config.sync == Sync::Always {
            outcome = writer.file.sync_data();
        }
        if let Err(error) = outcome {
            writer.torn = writer.file.set_len(writer.offset).is_err();
            return Err(io_error("append to", &path(), error));
        }
        writer.unsynced = self.config.sync == Sync::Interval;
        writer.offset += writer.buffer.len() as u64;
        // A huge batch must not pin its buffer for good.
        if writer.buffer.capacity() > 8 << 20 {
            writer.buffer = Vec::new();
        }
        Ok(())
    }

    /// Makes sure that `size` more bytes fit under the limit.
    fn make_room(&self, writer: &mut Writer, size: u64) -> Result<(), PortError> {
        if self.state().bytes() + size <= self.config.max_bytes {
            return Ok(());
        }
        self.trim(true);
        while self.state().bytes() + size > self.config.max_bytes {
            if self.config.when_full == WhenFull::Reject {
                let message = format!(
                    "journal {} is full: {} of {} bytes are not acknowledged yet (raise max_bytes, set when_full = \"drop-oldest\", or look for the consumer that stopped)",
                    self.name,
                    self.state().bytes(),
                    self.config.max_bytes
                );
                return Err(PortError::new(ErrorKind::Full, message));
            }
            let removed = self.state().remove_oldest();
            match removed {
                Some(removed) => {
                    self.save();
                    self.delete(&removed);
                    metrics::counter!("parapet_journal_dropped_total", "stream" => self.name.clone())
                        .increment(removed.dropped);
                    tracing::warn!(
                        stream = self.name,
                        events = removed.dropped,
                        "the journal is full: its oldest events were dropped"
                    );
                }
                None => self.rotate(writer)?,
            }
        }
        Ok(())
    }

    /// Starts a new segment.
    fn rotate(&self, writer: &mut Writer) -> Result<(), PortError> {
        let directory = self.directory.path();
        let error = |error| io_error("start a new segment in", directory, error);
        if writer.torn {
            writer.file.set_len(writer.offset).map_err(error)?;
            writer.torn = false;
        }
        let next = self.state().next;
        let (segment, file) = Segment::create(directory, next).map_err(error)?;
        if self.config.sync != Sync::Never {
            writer.file.sync_data().map_err(error)?;
            sync_parent(&segment.path).map_err(error)?;
        }
        *writer = Writer { file, offset: segment.bytes, buffer: Vec::new(), torn: false, unsynced: true };
        self.state().segments.push_back(segment);
        Ok(())
    }

    /// Deletes segments that every group acknowledged; with `urgent` also those that retention would
    /// keep. What is deleted is known as acknowledged on disk before.
    pub(crate) fn trim(&self, urgent: bool) {
        let done = |state: &State| {
            let floor = state.floor();
            let oldest = state.segments.front().filter(|_| state.segments.len() > 1);
            oldest.is_some_and(|oldest| oldest.next <= floor && (urgent || !self.is_retained(state, oldest)))
        };
        if !done(&self.state()) {
            return;
        }
        if !self.save() {
            return;
        }
        loop {
            let mut state = self.state();
            let removed = if done(&state) { state.remove_oldest() } else { None };
            drop(state);
            match removed {
                Some(removed) => self.delete(&removed),
                None => return,
            }
        }
    }

    fn is_retained(&self, state: &State, oldest: &Segment) -> bool {
        let young = || {
            let modified = fs::metadata(&oldest.path).and_then(|metadata| metadata.modified());
            let age =
                modified.ok().and_then(|modified| (clock::now() - chrono::DateTime::from(modified)).to_std().ok());
            age.is_none_or(|age| age.as_secs() < self.config.retain_seconds)
        };
        state.bytes() <= self.config.retain_bytes || (self.config.retain_seconds > 0 && young())
    }

    fn delete(&self, removed: &Removed) {
        let events = removed.segment.next - removed.segment.first;
        metrics::counter!("parapet_journal_trimmed_total", "stream" => self.name.clone())
            .increment(events - removed.dropped);
        if let Err(error) = fs::remove_file(&removed.segment.path) {
            tracing::warn!(stream = self.name, path = %removed.segment.path.display(), %error, "a segment could not be deleted");
        }
    }

    /// Writes groups and counters to the disk if they changed; `false` if that failed.
    pub(crate) fn save(&self) -> bool {
        let _turn = lock(&self.saving);
        let saved = {
            let mut state = self.state();
            if !state.unsaved {
                return true;
            }
            state.unsaved = false;
            state.save()
        };
        let outcome = state::store(self.directory.path(), &saved, self.config.sync != Sync::Never);
        if let Err(error) = &outcome {
            self.state().unsaved = true;
            tracing::warn!(stream = self.name, %error, "acknowledgements could not be saved; entries may be delivered again after a restart");
        }
        outcome.is_ok()
    }

    /// Forces written bytes to the disk.
    pub(crate) fn sync(&self) {
        let file = {
            let mut writer = lock(&self.writer);
            if !std::mem::take(&mut writer.unsynced) {
                return;
            }
            writer.file.try_clone()
        };
        if let Err(error) = file.and_then(|file| file.sync_data()) {
            lock(&self.writer).unsynced = true;
            tracing::warn!(stream = self.name, %error, "the journal could not be synced to the disk");
        }
    }

    /// Creates the group at the start of the stream if it is new.
    pub(crate) fn join(&self, group: &str) -> Result<(), PortError> {
        let mut state = self.state();
        if state.groups.contains_key(group) {
            return Ok(());
        }
        if group.is_empty() || group.len() > 128 || state.groups.len() >= GROUPS_MAX {
            let message = format!(
                "{}: group \"{group}\" cannot be created (1–128 bytes of name, {GROUPS_MAX} groups)",
                self.name
            );
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
        let first = state.first();
        state.groups.insert(group.to_owned(), Group::starting_at(first));
        state.unsaved = true;
        Ok(())
    }

    /// Fetches the events of these tickets. Returns them in order with tickets that are left for
    /// another read; entries that are no longer there are accounted for and left out.
    pub(crate) fn fetch(&self, group: &str, tickets: &[Ticket]) -> Result<Fetched, PortError> {
        let (mut events, extracts, mut gone) = self.state().locate(tickets);
        let mut rest = Vec::new();
        for extract in extracts {
            let found = extract.read().map_err(|error| io_error("read", &extract.path, error))?;
            let Extracted { events: read, lost, rest: left, unreadable, positions } = found;
            events.extend(read);
            gone.extend(lost);
            rest.extend(left);
            self.learn(extract.first, &positions, unreadable);
        }
        if !gone.is_empty() {
            let mut state = self.state();
            state.report.lost += gone.len() as u64;
            state.unsaved = true;
            if let Some(group) = state.groups.get_mut(group) {
                gone.iter().for_each(|sequence| group.lose(*sequence));
            }
            drop(state);
            metrics::counter!("parapet_journal_lost_total", "stream" => self.name.clone()).increment(gone.len() as u64);
            tracing::warn!(
                stream = self.name,
                group,
                events = gone.len(),
                "events of the journal are missing or damaged"
            );
        }
        Ok(Fetched { events: events.into_iter().collect(), rest })
    }

    /// Keeps what a read found out about a segment.
    fn learn(&self, first: u64, positions: &[(u64, u64)], unreadable: Vec<Unreadable>) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(segment) = state.segments.iter_mut().find(|segment| segment.first == first) else { return };
        for (sequence, offset) in positions {
            segment.note(*sequence, *offset);
        }
        for damage in unreadable {
            if segment.reported.insert(damage.offset) {
                let damage = set_aside(&self.name, &segment.path, damage.offset, &damage.bytes, damage.reason);
                remember(&mut state.report.damages, damage);
            }
        }
    }
}

/// Events by sequence number, and what was left for another read.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) events: BTreeMap<u64, Arc<SecurityEvent>>,
    pub(crate) rest: Vec<u64>,
}

/// JSON of all events in one buffer, and the length of each.
fn encode(name: &str, events: &[Arc<SecurityEvent>]) -> Result<(Vec<u8>, Vec<usize>), PortError> {
    let rejected = |message: String| PortError::new(ErrorKind::Rejected, message);
    let mut payloads = Vec::with_capacity(events.len() * 1024);
    let mut lengths = Vec::with_capacity(events.len());
    for event in events {
        let start = payloads.len();
        serde_json::to_writer(&mut payloads, &**event)
            .map_err(|error| rejected(format!("{name}: event {} cannot be encoded: {error}", event.id)))?;
        let length = payloads.len() - start;
        if length > PAYLOAD_BYTES_MAX {
            return Err(rejected(format!(
                "{name}: event {} has {length} bytes, more than {PAYLOAD_BYTES_MAX}",
                event.id
            )));
        }
        lengths.push(length);
    }
    Ok((payloads, lengths))
}

fn newer(path: &Path, version: impl std::fmt::Display) -> PortError {
    let message =
        format!("{} has format version {version}, written by a newer release; run that release", path.display());
    PortError::new(ErrorKind::Unsupported, message)
}

type Found = (VecDeque<Segment>, Vec<(std::path::PathBuf, Unreadable)>);

/// Lists the segments of a directory. Only the newest is read; damage in the others is found when
/// they are.
fn open_segments(directory: &Path) -> Result<Found, PortError> {
    let files = numbered_files(directory, EXTENSION).map_err(|error| io_error("list", directory, error))?;
    let (mut segments, mut unreadable) = (VecDeque::new(), Vec::new());
    for (at, (first, path)) in files.iter().enumerate() {
        let error = |error| io_error("read", path, error);
        let file = File::options().read(true).write(true).open(path).map_err(error)?;
        if let Header::Newer(version) = frame::read_header(&file, Kind::Journal).map_err(error)? {
            return Err(newer(path, version));
        }
        match files.get(at + 1) {
            Some((next, _)) => {
                let bytes = file.metadata().map_err(error)?.len().max(HEADER_BYTES);
                segments.push_back(Segment::existing(path.clone(), *first, *next, bytes));
            }
            None => {
                let scan = recover(path.clone(), *first, &file).map_err(error)?;
                unreadable.extend(scan.unreadable.into_iter().map(|damage| (path.clone(), damage)));
                segments.push_back(scan.segment);
            }
        }
    }
    Ok((segments, unreadable))
}
