//! The loop that follows the files of one source.
//!
//! Every `poll_ms` the configured paths are looked up. A file is recognised by its inode while this
//! runs, and by its first bytes ([`Head`](super::head::Head)) otherwise. The steps of a rotation:
//!
//! - **renamed**: the old file stays open and is read until nothing came for [`RETIRE_QUIET`], because
//!   its writer may take a while to open the new one
//! - **truncated** (also by `copytruncate`): the rest is read in the copy, then the file from its
//!   beginning
//! - **missed**, during a pause of Parapet or between two looks: rotated files that hold something new,
//!   compressed ones too, are read before the log itself
//!
//! Positions are saved when records are durable, at most once a second, and at the end.

use super::followed::{Followed, Turn};
use super::index::Sessions;
use super::positions::{Position, Positions};
use super::{Start, compressed, rotated};
use parapet_ports::{ErrorKind, PortError, RecordSink};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long nothing may come in a renamed file before it is done with.
const RETIRE_QUIET: Duration = Duration::from_secs(120);
/// How often positions are saved.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Files that are open at the same time.
const OPEN_MAX: usize = 1024;

/// How to follow.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) paths: Vec<String>,
    pub(super) start: Start,
    pub(super) poll: Duration,
    pub(super) idle: Duration,
    /// Directory of the transactions' files, if the paths are indexes.
    pub(super) storage: Option<PathBuf>,
}

/// Follows files.
pub(super) struct Follower {
    plan: Plan,
    sessions: Sessions,
    positions: Positions,
    files: Vec<Followed>,
    /// Files that were read to their end, to recognise them under another name.
    past: Vec<Position>,
    /// Whether files that appear were there before this source was followed for the first time.
    first_look: bool,
    saved: Instant,
    /// Paths that could not be opened; said once.
    broken: HashSet<PathBuf>,
}

impl Follower {
    /// Takes up where an earlier run stopped.
    pub(super) fn new(plan: Plan, directory: &Path, sink: Arc<dyn RecordSink>) -> Result<Self, PortError> {
        let positions = Positions::open(directory)?;
        Ok(Follower {
            first_look: positions.all().is_empty(),
            past: positions.all().to_vec(),
            sessions: Sessions { sink, storage: plan.storage.clone() },
            plan,
            positions,
            files: Vec::new(),
            saved: Instant::now(),
            broken: HashSet::new(),
        })
    }

    /// Follows until told to stop.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), PortError> {
        let outcome = loop {
            if stop.is_cancelled() {
                break Ok(());
            }
            match self.round().await {
                Ok(Turn::More) => {}
                Ok(Turn::AtEnd) => tokio::select! {
                    () = tokio::time::sleep(self.plan.poll) => {}
                    () = stop.cancelled() => {}
                },
                // The pipeline stops: what was not taken is read after the next start.
                Err(_) if stop.is_cancelled() => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.save()?;
        outcome
    }

    /// One look at all paths and one turn for each file.
    async fn round(&mut self) -> Result<Turn, PortError> {
        if self.look().await {
            // At once, so that what is rotated away is missed even if this ends the next moment.
            self.save()?;
        }
        // Logs with more to read in an older file: a client's events keep their order.
        let mut behind: Vec<PathBuf> = Vec::new();
        let mut index = 0;
        while index < self.files.len() {
            if !behind.contains(&self.files[index].path) {
                match self.turn(index).await? {
                    Some(Turn::More) => behind.push(self.files[index].path.clone()),
                    Some(Turn::AtEnd) => {}
                    None => continue,
                }
            }
            index += 1;
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save()?;
            }
        }
        Ok(if behind.is_empty() { Turn::AtEnd } else { Turn::More })
    }

    /// One turn for one file; `None` if that was its last one, and it is removed.
    async fn turn(&mut self, index: usize) -> Result<Option<Turn>, PortError> {
        let Some(file) = self.files.get_mut(index) else { return Ok(None) };
        let outcome = file.turn().await;
        self.past.extend(file.past.take());
        match outcome {
            Ok(Turn::More) => return Ok(Some(Turn::More)),
            Ok(Turn::AtEnd) if file.is_static() || file.retired && file.active.elapsed() >= RETIRE_QUIET => {
                file.finish().await?;
            }
            Ok(Turn::AtEnd) => {
                file.rest_if_idle(self.plan.idle).await?;
                return Ok(Some(Turn::AtEnd));
            }
            Err(error) if error.kind == ErrorKind::Corrupt => {
                if self.broken.insert(file.path.clone()) {
                    tracing::error!(source = self.plan.name, %error, "stopped reading a file");
                }
                // A log is opened again from where it was durable; of a rotated file no more can be had.
                file.done = file.is_static();
            }
            Err(error) => return Err(error),
        }
        let position = self.files.remove(index).position();
        self.past.push(position);
        Ok(None)
    }

    fn save(&mut self) -> Result<(), PortError> {
        self.saved = Instant::now();
        let open = self.files.iter().map(Followed::position);
        let files = open.chain(self.past.iter().cloned()).collect();
        self.positions.save(files)?;
        // Forgets the same files that the saved list forgot.
        let surplus = self.past.len().saturating_sub(self.positions.all().len());
        self.past.drain(..surplus);
        Ok(())
    }

    /// Finds new files, and marks those whose name is gone. Tells whether there are new ones.
    async fn look(&mut self) -> bool {
        let patterns = self.plan.paths.clone();
        let found = tokio::task::spawn_blocking(move || expand(&patterns)).await.unwrap_or_default();
        for file in self.files.iter_mut().filter(|file| !file.is_static()) {
            file.retired = true;
        }
        let mut opened = false;
        for path in found {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if let Some(file) = self.files.iter_mut().find(|file| file.is(&metadata)) {
                file.retired = false;
                file.path = path;
            } else if metadata.is_file() && self.files.len() < OPEN_MAX {
                match self.open(&path).await {
                    Ok(()) => {
                        opened = true;
                        self.broken.remove(&path);
                    }
                    Err(error) if self.broken.insert(path.clone()) => {
                        tracing::error!(source = self.plan.name, file = %path.display(), %error, "cannot be followed");
                    }
                    Err(_) => {}
                }
            }
        }
        self.first_look = false;
        opened
    }

    /// Begins to follow a path: what was missed in its rotated files first, then the file itself.
    async fn open(&mut self, path: &Path) -> std::io::Result<()> {
        let known = self.known();
        let file = File::open(path)?;
        let (_, bytes) = super::head::Head::read(file.try_clone()?)?;
        let same = known.iter().filter(|position| position.head.matches(&bytes) && !position.done);
        let offset = match same.map(|position| position.offset).max() {
            // A log that is shorter now was truncated; the follower finds that out by itself.
            Some(offset) => offset.min(file.metadata()?.len()),
            None if self.first_look && self.plan.start == Start::End => file.metadata()?.len(),
            None => 0,
        };
        let log = path.to_owned();
        let open: Vec<_> = self.files.iter().map(|file| (file.device, file.inode)).collect();
        let missed = tokio::task::spawn_blocking(move || rotated::missed(&log, &known)).await.unwrap_or_default();
        for missed in missed.into_iter().filter(|missed| !open.contains(&(missed.device, missed.inode))) {
            tracing::info!(file = %missed.path.display(), offset = missed.offset, "reading a rotated log that was missed");
            self.files.push(Followed::rotated(path, missed, self.sessions.open())?);
        }
        tracing::info!(file = %path.display(), offset, "following");
        self.files.push(Followed::live(path, file, offset, self.sessions.open())?);
        // It is open now, and its position is known from there.
        self.past.retain(|position| position.done || !position.head.matches(&bytes));
        Ok(())
    }

    /// Positions of all files, open ones included.
    fn known(&self) -> Vec<Position> {
        self.files.iter().map(Followed::position).chain(self.past.iter().cloned()).collect()
    }
}

/// Files that the patterns match, without compressed ones; each once.
fn expand(patterns: &[String]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        patterns.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().filter_map(Result::ok).collect();
    found.retain(|path| !compressed::is_compressed(path));
    found.sort();
    found.dedup();
    found
}
