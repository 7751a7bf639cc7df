//! The store's state and what changes it: writing, flushing to Parquet, deleting old events.
//!
//! Order of locks: `writer`, then `changing`, then `state`. Only `state` is taken by queries, and
//! never during I/O.

use super::catalog::{self, DATA, DataFile, Manifest};
use super::columns::{Rows, internal, newest_first, times};
use super::config::Config;
use super::hot::Hot;
use super::ids::IdCache;
use super::parquet_file::{Meta, Writer};
use super::wal::{self, Replay, Wal};
use crate::clock;
use crate::damage::{Damage, remember};
use crate::directory::Directory;
use chrono::DateTime;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::interleave_record_batch;
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use ulid::Ulid;

/// Rows that a flush copies at a time.
const COPIED_ROWS: usize = 2_048;
const WAL: &str = "wal";
const DAY_NANOSECONDS: i64 = 86_400_000_000_000;
/// Writers wait when memory holds this many times what a flush takes out.
const HOT_FACTOR_MAX: usize = 4;

/// An open lakehouse. Methods block; callers on async threads go through `spawn_blocking`.
#[derive(Debug)]
pub(crate) struct Lake {
    pub(crate) name: String,
    pub(crate) config: Config,
    directory: Directory,
    writer: Mutex<Wal>,
    /// Held by whoever changes the list of files.
    pub(crate) changing: Mutex<()>,
    pub(crate) state: Mutex<State>,
    ids: Mutex<IdCache>,
    /// Woken when memory is full enough for a flush.
    pub(crate) flush_due: Notify,
    /// Woken when a flush made room.
    pub(crate) flushed: Notify,
}

/// What queries and writers share.
#[derive(Debug)]
pub(crate) struct State {
    hot: Hot,
    /// The generation that is being written to files.
    frozen: Option<Arc<Hot>>,
    /// Newest first.
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
    /// Events older than this do not count.
    pub(crate) floor: i64,
    /// Log records up to this one are in files.
    pub(crate) flushed: u64,
    report: Report,
}

/// Account of a lakehouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events in memory.
    pub hot_events: u64,
    /// Events in Parquet files, deleted ones included until their file goes.
    pub file_events: u64,
    /// Parquet files.
    pub files: u64,
    /// Their size.
    pub file_bytes: u64,
    /// Events that were written more than once, since the store was opened.
    pub duplicates: u64,
    /// Events refused because they are older than what retention keeps.
    pub expired: u64,
    /// Damage found since the store was opened, the newest 100.
    pub damages: Vec<Damage>,
}

/// What a query looks at; it does not change while the query runs.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) hot: Vec<RecordBatch>,
    /// Oldest and newest time in memory.
    pub(crate) hot_times: Option<(i64, i64)>,
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
    /// Events older than this do not count.
    pub(crate) floor: i64,
}

/// Takes a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves each structure consistent; see the order of steps in each method.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lake {
    /// Opens the store of a directory and replays its log.
    pub(crate) fn open(name: &str, config: Config, path: &Path) -> Result<Lake, PortError> {
        let directory = Directory::open(path)?;
        let opened = catalog::open(name, path)?;
        let flushed = opened.manifest.flushed;
        let (wal, replay) = Wal::open(name, &path.join(WAL), flushed, config.sync)?;
        let mut report = Report::default();
        let Replay { events, damages } = replay;
        opened.damages.into_iter().chain(damages).for_each(|damage| remember(&mut report.damages, damage));
        let state = State {
            hot: Hot::default(),
            frozen: None,
            files: Arc::new(opened.files),
            floor: opened.manifest.floor,
            flushed,
            report,
        };
        let lake = Lake {
            name: name.to_owned(),
            config,
            directory,
            writer: Mutex::new(wal),
            changing: Mutex::new(()),
            state: Mutex::new(state),
            ids: Mutex::new(IdCache::default()),
            flush_due: Notify::new(),
            flushed: Notify::new(),
        };
        for batch in events.chunks(10_000) {
            let rows = Rows::encode(batch)?;
            if let Some(rows) = lake.fresh(rows)? {
                lock(&lake.state).hot.push(rows, clock::ticks())?;
            }
        }
        Ok(lake)
    }

    /// Where Parquet files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join(DATA)
    }

    /// Where queries may spill.
    pub(crate) fn spill(&self) -> PathBuf {
        self.directory.path().join("spill")
    }

    /// What is in the store, and what went wrong.
    pub(crate) fn report(&self) -> Report {
        let state = lock(&self.state);
        let frozen = state.frozen.as_ref().map_or(0, |frozen| frozen.len());
        Report {
            hot_events: (state.hot.len() + frozen) as u64,
            file_events: state.files.iter().map(|file| file.meta.events).sum(),
            files: state.files.len() as u64,
            file_bytes: state.files.iter().map(|file| file.meta.bytes).sum(),
            ..state.report.clone()
        }
    }

    /// The store as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = lock(&self.state);
        let generations = || state.frozen.as_deref().into_iter().chain([&state.hot]);
        Snapshot {
            hot: generations().flat_map(|hot| hot.batches().iter().cloned()).collect(),
            hot_times: generations()
                .filter_map(Hot::times)
                .reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high))),
            files: Arc::clone(&state.files),
            floor: state.floor,
        }
    }

    /// Whether writers should wait for a flush.
    pub(crate) fn is_crowded(&self) -> bool {
        let state = lock(&self.state);
        let frozen = state.frozen.as_deref();
        let events = state.hot.len() + frozen.map_or(0, Hot::len);
        let bytes = state.hot.bytes() + frozen.map_or(0, Hot::bytes);
        events >= self.config.flush_events.saturating_mul(HOT_FACTOR_MAX)
            || bytes >= self.config.flush_bytes.saturating_mul(HOT_FACTOR_MAX)
    }

    /// Whether the events in memory should go to a file now.
    pub(crate) fn is_flush_due(&self) -> bool {
        let state = lock(&self.state);
        let old = state.hot.since.is_some_and(|since| since.elapsed().as_secs() >= self.config.flush_seconds);
        old || state.hot.len() >= self.config.flush_events || state.hot.bytes() >= self.config.flush_bytes
    }

    /// Logs events and puts them into memory; those that are known already are left out.
    pub(crate) fn write(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        let rows = Rows::encode(events)?;
        let mut wal = lock(&self.writer);
        let Some(rows) = self.fresh(rows)? else { return Ok(()) };
        wal.append(rows.json()?)?;
        lock(&self.state).hot.push(rows, clock::ticks())?;
        drop(wal);
        if self.is_flush_due() {
            self.flush_due.notify_one();
        }
        Ok(())
    }

    /// The rows that are neither in the store nor twice in the batch nor too old; `None` if there are
    /// none.
    fn fresh(&self, rows: Rows) -> Result<Option<Rows>, PortError> {
        let mut seen = HashSet::with_capacity(rows.ids.len());
        let (mut duplicates, mut expired) = (0, 0);
        let (files, mut keep) = {
            let state = lock(&self.state);
            let times = times(&rows.batch)?;
            let keep: Vec<bool> = rows
                .ids
                .iter()
                .zip(times)
                .map(|(id, time)| {
                    let known = !seen.insert(*id)
                        || state.hot.contains(id)
                        || state.frozen.as_ref().is_some_and(|frozen| frozen.contains(id));
                    duplicates += u64::from(known);
                    let old = !known && *time < state.floor;
                    expired += u64::from(old);
                    !known && !old
                })
                .collect();
            (Arc::clone(&state.files), keep)
        };
        for file in files.iter() {
            let within = |id: &Ulid| (file.meta.min_id..=file.meta.max_id).contains(id);
            if !rows.ids.iter().zip(&keep).any(|(id, keep)| *keep && within(id)) {
                continue;
            }
            let Some(known) = lock(&self.ids).get(file)? else { continue };
            for (id, keep) in rows.ids.iter().zip(&mut keep) {
                if *keep && within(id) && known.binary_search(id).is_ok() {
                    *keep = false;
                    duplicates += 1;
                }
            }
        }
        if duplicates + expired > 0 {
            let mut state = lock(&self.state);
            state.report.duplicates += duplicates;
            state.report.expired += expired;
        }
        let count = keep.iter().filter(|keep| **keep).count();
        match count {
            0 => Ok(None),
            all if all == keep.len() => Ok(Some(rows)),
            _ => rows.filter(&keep).map(Some),
        }
    }

    /// Writes the events in memory to Parquet files, one per day, and publishes them.
    pub(crate) fn flush(&self) -> Result<(), PortError> {
        let _change = lock(&self.changing);
        if lock(&self.state).frozen.is_none() {
            let mut wal = lock(&self.writer);
            if lock(&self.state).hot.len() == 0 {
                return Ok(());
            }
            wal.rotate()?;
            let mut state = lock(&self.state);
            let mut hot = std::mem::take(&mut state.hot);
            hot.last_logged = wal.last();
            state.frozen = Some(Arc::new(hot));
        }
        // A generation that is frozen already is left over from a flush that failed.
        let Some(frozen) = lock(&self.state).frozen.clone() else { return Ok(()) };
        let covered = frozen.last_logged;
        let metas = self.write_days(frozen.batches(), covered)?;
        let data = self.data();
        self.publish(covered, |files| files.extend(metas.iter().map(|meta| DataFile::new(&data, meta.clone()))), true)?;
        if let Err(error) = wal::delete_flushed(&self.directory.path().join(WAL), covered) {
            tracing::warn!(store = self.name, %error, "a log that is no longer needed could not be deleted");
        }
        self.flushed.notify_waiters();
        Ok(())
    }

    /// Sorts rows and writes each day's to a file of its own. Rows are copied a few at a time, so that a
    /// flush takes little memory beside what it writes.
    fn write_days(&self, batches: &[RecordBatch], covered: u64) -> Result<Vec<Meta>, PortError> {
        let order = newest_first(batches)?;
        let times: Vec<&[i64]> = batches.iter().map(times).collect::<Result<_, _>>()?;
        let day = |(batch, row): &(usize, usize)| {
            let time = times.get(*batch).and_then(|times| times.get(*row));
            time.copied().unwrap_or_default().div_euclid(DAY_NANOSECONDS)
        };
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        let mut metas = Vec::new();
        for rows in order.chunk_by(|one, other| day(one) == day(other)) {
            let Some(first) = rows.first() else { continue };
            let mut writer = Writer::create(&self.data(), file_name(day(first)), rows.len())?;
            for rows in rows.chunks(COPIED_ROWS) {
                writer.write(&interleave_record_batch(&batches, rows).map_err(internal)?)?;
            }
            metas.extend(writer.finish(covered, Vec::new())?);
        }
        Ok(metas)
    }

    /// Changes the list of files: on disk first, then for queries. The caller holds `changing`.
    pub(crate) fn publish(
        &self,
        flushed: u64,
        change: impl FnOnce(&mut Vec<Arc<DataFile>>),
        thaw: bool,
    ) -> Result<(), PortError> {
        let (mut files, floor) = {
            let state = lock(&self.state);
            (state.files.to_vec(), state.floor)
        };
        change(&mut files);
        files.sort_by_key(|file| (file.meta.max_time, file.meta.name.clone()));
        files.reverse();
        Manifest::new(flushed, floor, &files).publish(self.directory.path())?;
        let mut state = lock(&self.state);
        state.files = Arc::new(files);
        state.flushed = flushed;
        if thaw {
            state.frozen = None;
        }
        Ok(())
    }

    /// Replaces files by one that holds their events; `false` if one of them is no longer there.
    pub(crate) fn replace(&self, old: &[Arc<DataFile>], new: Option<Meta>) -> Result<bool, PortError> {
        let _change = lock(&self.changing);
        let (current, flushed) = {
            let state = lock(&self.state);
            (Arc::clone(&state.files), state.flushed)
        };
        let same = |one: &Arc<DataFile>| current.iter().any(|other| Arc::ptr_eq(one, other));
        let new = new.map(|meta| DataFile::new(&self.data(), meta));
        if !old.iter().all(same) {
            if let Some(new) = new {
                new.retire();
            }
            return Ok(false);
        }
        let gone = |file: &Arc<DataFile>| old.iter().any(|old| Arc::ptr_eq(old, file));
        self.publish(
            flushed,
            |files| {
                files.retain(|file| !gone(file));
                files.extend(new);
            },
            false,
        )?;
        old.iter().for_each(|file| file.retire());
        Ok(true)
    }

    /// Sets a damaged file aside; the rest of the store goes on.
    pub(crate) fn quarantine(&self, file: &Arc<DataFile>, reason: String) -> Result<(), PortError> {
        let _change = lock(&self.changing);
        let flushed = lock(&self.state).flushed;
        self.publish(flushed, |files| files.retain(|other| !Arc::ptr_eq(other, file)), false)?;
        let damage = catalog::quarantine(&self.name, self.directory.path(), &file.meta, reason);
        remember(&mut lock(&self.state).report.damages, damage);
        Ok(())
    }

    /// Forces the log to the disk.
    pub(crate) fn sync(&self) {
        let file = lock(&self.writer).unsynced();
        if let Some(Err(error)) = file.map(|file| file.and_then(|file| file.sync_data())) {
            tracing::warn!(store = self.name, %error, "the log could not be synced to the disk");
        }
    }
}

/// Name of a new file of a day (days since 1970).
pub(crate) fn file_name(day: i64) -> String {
    let date = DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default().format("%Y-%m-%d");
    format!("day={date}/{}.parquet", clock::new_id())
}

/// Day of a file, as days since 1970.
pub(crate) fn day(file: &DataFile) -> i64 {
    file.meta.min_time.div_euclid(DAY_NANOSECONDS)
}

/// The error for writers that waited too long for a flush.
pub(crate) fn crowded(name: &str) -> PortError {
    let message =
        format!("{name}: memory is full and events cannot be written to files fast enough; see the log for the cause");
    PortError::new(ErrorKind::Unavailable, message)
}
