//! Opening a journal: reading its state file, listing segments, repairing the newest one.

use super::config::Config;
use super::group::Group;
use super::log::{Log, Writer};
use super::report::Report;
use super::segment::{EXTENSION, Segment, Unreadable, recover};
use super::state::{self, Cache, Loaded, State};
use crate::damage::{remember, set_aside};
use crate::directory::{Directory, io_error, numbered_files};
use crate::frame::{self, HEADER_BYTES, Header, Kind};
use parapet_ports::{ErrorKind, PortError};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tokio::sync::Notify;

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
}

fn newer(path: &Path, version: impl std::fmt::Display) -> PortError {
    let message =
        format!("{} has format version {version}, written by a newer release; run that release", path.display());
    PortError::new(ErrorKind::Unsupported, message)
}

type Found = (VecDeque<Segment>, Vec<(PathBuf, Unreadable)>);

/// Lists the segments of a directory. Only the newest is read; damage in the others is found when
/// they are.
fn open_segments(directory: &Path) -> Result<Found, PortError> {
    let files = numbered_files(directory, EXTENSION).map_err(|error| io_error("list", directory, error))?;
    let files = without_empty(files)?;
    let (mut segments, mut unreadable) = (VecDeque::new(), Vec::new());
    for (at, (first, path)) in files.iter().enumerate() {
        let error = |error| io_error("read", path, error);
        let file = File::options().read(true).write(true).open(path).map_err(error)?;
        if let Header::Newer(version) = frame::read_header(&file, Kind::Journal).map_err(error)? {
            return Err(newer(path, version));
        }
        let metadata = file.metadata().map_err(error)?;
        let modified = metadata.modified().map_err(error)?;
        let mut segment = match files.get(at + 1) {
            Some((next, _)) => Segment::existing(path.clone(), *first, *next, metadata.len()),
            None => {
                let scan = recover(path.clone(), *first, &file).map_err(error)?;
                unreadable.extend(scan.unreadable.into_iter().map(|damage| (path.clone(), damage)));
                scan.segment
            }
        };
        segment.modified = modified.into();
        segments.push_back(segment);
    }
    Ok((segments, unreadable))
}

/// Deletes segments without records, but for the last file. Such a file may be left from a rotation
/// that failed, and its name would cut the segment before it short.
fn without_empty(files: Vec<(u64, PathBuf)>) -> Result<Vec<(u64, PathBuf)>, PortError> {
    let mut kept = Vec::with_capacity(files.len());
    let mut empty = Vec::new();
    for (first, path) in files {
        let bytes = fs::metadata(&path).map_err(|error| io_error("read", &path, error))?.len();
        if bytes > HEADER_BYTES { kept.push((first, path)) } else { empty.push((first, path)) }
    }
    if kept.is_empty() {
        kept.extend(empty.pop());
    }
    for (_, path) in empty {
        fs::remove_file(&path).map_err(|error| io_error("delete", &path, error))?;
    }
    Ok(kept)
}
