//! One file that is being read.

use super::compressed::open_log;
use super::head::Head;
use super::lines::{Chunk, Lines};
use super::positions::Position;
use super::rotated::{self, Missed};
use chrono::Utc;
use parapet_ports::{ErrorKind, PortError, RecordSession};
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Chunks that are read before other files have their turn.
const CHUNKS_PER_TURN: usize = 16;

/// A file, how far it was read, and the session that its lines go to.
pub(super) struct Followed {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    head: Head,
    /// `None` for a rotated file, which only is read to its end.
    file: Option<File>,
    lines: Lines,
    session: Box<dyn RecordSession>,
    /// Place where the lines end that the session has taken.
    taken: u64,
    /// Bytes before that whose records are not durable.
    held: u64,
    /// Size and time of the file when it was last found the same.
    seen: (u64, Option<SystemTime>),
    /// When something new was last found.
    pub(super) active: Instant,
    /// It has no name any more that is followed.
    pub(super) retired: bool,
    pub(super) done: bool,
    /// What the file held before it was truncated, to recognise its copy.
    pub(super) past: Option<Position>,
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is more.
    More,
    /// All that there is now was read.
    AtEnd,
}

impl Followed {
    /// A file that may grow, from `offset`.
    pub(super) fn live(path: &Path, file: File, offset: u64, session: Box<dyn RecordSession>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut input = file.try_clone()?;
        input.seek(SeekFrom::Start(offset))?;
        let mut followed = Followed {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            head: Head::default(),
            file: Some(file),
            lines: Lines::new(Box::new(input), offset),
            session,
            taken: offset,
            held: 0,
            seen: (0, None),
            active: Instant::now(),
            retired: false,
            done: false,
            past: None,
        };
        followed.head = followed.current_head()?.0;
        Ok(followed)
    }

    /// A rotated file of the log `path`, which is read to its end.
    pub(super) fn rotated(path: &Path, missed: Missed, session: Box<dyn RecordSession>) -> io::Result<Self> {
        let input = open_log(&missed.path, missed.offset)?;
        Ok(Followed {
            path: path.to_owned(),
            device: missed.device,
            inode: missed.inode,
            head: missed.head,
            file: None,
            lines: Lines::new(input, missed.offset),
            session,
            taken: missed.offset,
            held: 0,
            seen: (0, None),
            active: Instant::now(),
            retired: true,
            done: false,
            past: None,
        })
    }

    /// For a file that may grow: its name may change, it stays the same file.
    pub(super) fn is(&self, metadata: &Metadata) -> bool {
        self.file.is_some() && (self.device, self.inode) == (metadata.dev(), metadata.ino())
    }

    /// How far it was read, for the next start.
    pub(super) fn position(&self) -> Position {
        Position {
            path: self.path.clone(),
            device: self.device,
            inode: self.inode,
            head: self.head.clone(),
            offset: self.taken.saturating_sub(self.held),
            read_at: Utc::now(),
            done: self.done,
        }
    }

    /// Whether it is only read to its end.
    pub(super) fn is_static(&self) -> bool {
        self.file.is_none()
    }

    fn current_head(&self) -> io::Result<(Head, Vec<u8>)> {
        let Some(file) = &self.file else { return Ok((self.head.clone(), Vec::new())) };
        let mut bytes = vec![0; super::head::HEAD_BYTES];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        Head::read(&bytes[..length])
    }

    /// Reads what there is, up to a limit.
    ///
    /// # Errors
    /// `Corrupt` if the file cannot be read, others if the session ended.
    pub(super) async fn turn(&mut self) -> Result<Turn, PortError> {
        if let Some(file) = &self.file {
            let metadata = file.metadata().map_err(|error| self.failure(error))?;
            let seen = (metadata.len(), metadata.modified().ok());
            if seen == self.seen && metadata.len() == self.lines.position() {
                return Ok(Turn::AtEnd);
            }
            self.seen = seen;
        }
        for _ in 0..CHUNKS_PER_TURN {
            let chunk = self.lines.next().await.map_err(|error| self.failure(error))?;
            // Looked at after reading: what was read of a file that is truncated meanwhile is not its own.
            if self.is_truncated().map_err(|error| self.failure(error))? {
                self.read_copy().await?;
                return Ok(Turn::More);
            }
            match chunk {
                Chunk::End => return Ok(Turn::AtEnd),
                Chunk::Lines { lines, end, cut_off } => {
                    self.active = Instant::now();
                    self.take(&lines, end).await?;
                    if cut_off {
                        self.finish_session().await?;
                    }
                }
            }
        }
        Ok(Turn::More)
    }

    async fn take(&mut self, lines: &[u8], end: u64) -> Result<(), PortError> {
        let receipt = self.session.take(lines, None).await?;
        (self.taken, self.held) = (end, receipt.held);
        Ok(())
    }

    /// Ends records that waited for further lines, if nothing came for a while.
    pub(super) async fn rest_if_idle(&mut self, idle: Duration) -> Result<(), PortError> {
        if self.held > 0 && self.active.elapsed() >= idle {
            self.finish_session().await?;
        }
        Ok(())
    }

    async fn finish_session(&mut self) -> Result<(), PortError> {
        self.session.finish().await?;
        self.held = 0;
        Ok(())
    }

    /// Takes the last line even if it has no end, and ends all records: nothing more is expected.
    pub(super) async fn finish(&mut self) -> Result<(), PortError> {
        let end = self.lines.position();
        if let Some(rest) = self.lines.rest() {
            self.take(&rest, end).await?;
        }
        self.finish_session().await?;
        self.done = true;
        Ok(())
    }

    /// Whether the file is shorter than what was read of it, or begins otherwise.
    fn is_truncated(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        if file.metadata()?.len() < self.lines.position() {
            return Ok(true);
        }
        let (head, bytes) = self.current_head()?;
        if !self.head.is_empty() && !self.head.matches(&bytes) {
            return Ok(true);
        }
        if self.head.is_short() {
            self.head = head;
        }
        Ok(false)
    }

    /// The rest of a log that was truncated, for example by `copytruncate`, is in the copy. Then the
    /// log begins anew.
    async fn read_copy(&mut self) -> Result<(), PortError> {
        let place = self.taken;
        tracing::info!(file = %self.path.display(), offset = place, "truncated; it is read from its beginning");
        let (path, old) = (self.path.clone(), self.head.clone());
        let copy = tokio::task::spawn_blocking(move || {
            let copy = rotated::copy_of(&path, &old, place)?;
            Some((open_log(&copy, place), copy))
        });
        match copy.await.unwrap_or_default() {
            Some((Ok(input), copy)) => {
                tracing::info!(file = %copy.display(), "the rest is read in the copy");
                self.lines = Lines::new(input, place);
                while let Chunk::Lines { lines, end, .. } =
                    self.lines.next().await.map_err(|error| self.failure(error))?
                {
                    self.take(&lines, end).await?;
                }
                self.finish().await?;
            }
            Some((Err(error), copy)) => {
                tracing::error!(file = %copy.display(), %error, "the rest of the truncated log cannot be read");
            }
            None => tracing::debug!(file = %self.path.display(), "there is no copy that holds more"),
        }
        self.finish_session().await?;
        self.done = true;
        self.past = Some(self.position());
        self.begin_anew().map_err(|error| self.failure(error))
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut input = file.try_clone()?;
        input.seek(SeekFrom::Start(0))?;
        (self.lines, self.head, self.seen) = (Lines::new(Box::new(input), 0), Head::default(), (0, None));
        (self.taken, self.held, self.done) = (0, 0, false);
        Ok(())
    }

    fn failure(&self, error: io::Error) -> PortError {
        PortError::new(ErrorKind::Corrupt, format!("cannot read {}", self.path.display())).with_source(error)
    }
}
