//! The journal's files: appending, rotation, trimming, reading.

use super::config::{Config, Sync, WhenFull};
use super::group::{Group, Ticket};
use super::segment::{Extracted, Segment, Unreadable};
use super::state::{self, Removed, State};
use crate::clock;
use crate::damage::{remember, set_aside};
use crate::directory::{Directory, io_error, sync_parent};
use crate::frame::{self, HEADER_BYTES, PAYLOAD_BYTES_MAX, RECORD_OVERHEAD};
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Consumer groups of one journal.
const GROUPS_MAX: usize = 64;

/// An open journal. All methods block; callers on async threads go through `spawn_blocking`.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) state: Mutex<State>,
    /// Serialises writes of the state file.
    pub(crate) saving: Mutex<()>,
    /// Woken when something can be read.
    pub(crate) readable: Notify,
}

/// The end of the newest segment.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) buffer: Vec<u8>,
    /// A failed append may have left bytes after `offset`.
    pub(crate) torn: bool,
    /// Bytes were written since the last sync.
    pub(crate) unsynced: bool,
}

/// Poisoning only says that another thread panicked while it held the lock; every critical section
/// here leaves the data consistent at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// The state, for a short time.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Appends a batch in one write.
    pub(crate) fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        let payloads = encode(&self.name, events)?;
        let size = payloads.iter().map(|payload| (payload.len() + RECORD_OVERHEAD) as u64).sum::<u64>();
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
        for (sequence, payload) in (first..).zip(&payloads) {
            frame::push(&mut writer.buffer, sequence, payload.as_bytes());
        }
        self.write(&mut writer)?;
        let mut state = self.state();
        let mut position = offset;
        for ((sequence, event), payload) in (first..).zip(events).zip(&payloads) {
            if let Some(segment) = state.segments.back_mut() {
                segment.note(sequence, position);
            }
            position += (RECORD_OVERHEAD + payload.len()) as u64;
            state.cache.push(sequence, event.clone(), payload.len());
        }
        state.next = first + events.len() as u64;
        state.report.appended = state.next - 1;
        let next = state.next;
        if let Some(segment) = state.segments.back_mut() {
            segment.next = next;
            segment.bytes = writer.offset;
            segment.modified = clock::now();
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
                    self.save_before_deleting();
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
        let durable = self.config.sync != Sync::Never;
        if durable {
            writer.file.sync_data().map_err(error)?;
        }
        let next = self.state().next;
        let (segment, file) = Segment::create(directory, next).map_err(error)?;
        if durable && let Err(cause) = sync_parent(&segment.path) {
            // A file that is named like a number in the middle of the segment before must not stay.
            fs::remove_file(&segment.path).map_err(error)?;
            return Err(error(cause));
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
        if !self.save_before_deleting() {
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
        let age = (clock::now() - oldest.modified).num_seconds();
        let young = i64::try_from(self.config.retain_seconds).is_ok_and(|limit| age < limit);
        state.bytes() <= self.config.retain_bytes || young
    }

    fn delete(&self, removed: &Removed) {
        let events = removed.segment.next - removed.segment.first;
        metrics::counter!("parapet_journal_trimmed_total", "stream" => self.name.clone())
            .increment(events - removed.dropped);
        if let Err(error) = fs::remove_file(&removed.segment.path) {
            tracing::warn!(stream = self.name, path = %removed.segment.path.display(), %error, "a segment could not be deleted");
        }
    }

    /// Saves so that the deletion of a segment can never be seen without what led to it.
    fn save_before_deleting(&self) -> bool {
        self.state().unsaved = true;
        self.save(self.config.sync != Sync::Never)
    }

    /// Writes groups and counters to the disk if they changed; `false` if that failed. After a power
    /// failure an older state only means that entries are delivered again, so that most saves need not
    /// be durable.
    pub(crate) fn save(&self, durable: bool) -> bool {
        let _turn = lock(&self.saving);
        let saved = {
            let mut state = self.state();
            if !state.unsaved {
                return true;
            }
            state.unsaved = false;
            state.save()
        };
        let outcome = state::store(self.directory.path(), &saved, durable);
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
    pub(crate) events: BTreeMap<u64, SharedEvent>,
    pub(crate) rest: Vec<u64>,
}

/// JSON of the events.
fn encode<'a>(name: &str, events: &'a [SharedEvent]) -> Result<Vec<&'a str>, PortError> {
    let json = |event: &'a SharedEvent| {
        let json = event.json();
        if json.len() > PAYLOAD_BYTES_MAX {
            let message = format!("{name}: event {} has {} bytes, more than {PAYLOAD_BYTES_MAX}", event.id, json.len());
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
        Ok(json)
    };
    events.iter().map(json).collect()
}
