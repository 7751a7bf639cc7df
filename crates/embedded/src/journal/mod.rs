//! The embedded [`EventStream`]: append-only segment files on disk (kind `journal`).
//!
//! The product uses it three times: as the gateway's spool, as the real-time stream and as the
//! analytics stream. A directory holds segments `<first sequence number>.segment` (format: see
//! `frame`), `groups.json` with the acknowledged state of each consumer group, a lock file, and
//! `*.corrupt-<time>` side files with bytes that could not be used.
//!
//! - `append` frames the batch, writes it with one system call and returns: the bytes then survive the
//!   death of the process. `sync` says when they also survive a power failure.
//! - A group knows the first number it never handed out and the few open entries below it. That state
//!   is saved together for many acknowledgements, so a crash delivers some entries again, never too
//!   few.
//! - After a crash the newest segment is read once; a torn tail is cut to the last whole record.
//! - Segments are deleted as a whole, when every group is done with them or at the size limit.
//!
//! Delivery counts survive an orderly restart; after a crash they may be a little too low.

mod config;
mod consumer;
mod group;
mod log;
mod recovery;
mod report;
mod segment;
mod state;

pub use config::{Config, Sync, WhenFull};
pub use report::Report;

use async_trait::async_trait;
use consumer::Consumer;
use log::Log;
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::stream::Lag;
use parapet_ports::{ErrorKind, EventStream, PortError, SharedEvent, StreamConsumer};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// How this kind is known.
pub const PLUGIN: Plugin<dyn EventStream> = Plugin {
    kind: "journal",
    summary: "Append-only segment files on the local disk",
    check: |settings: Settings| {
        let config: Config = settings.decode()?;
        config.validate(&settings.name)?;
        Ok(Box::new(Checked { name: settings.name, config }))
    },
};

struct Checked {
    name: String,
    config: Config,
}

#[async_trait]
impl Ready<dyn EventStream> for Checked {
    async fn open(&self, place: &Place) -> Result<Arc<dyn EventStream>, PortError> {
        let journal = Journal::open(&self.name, self.config.clone(), &place.directory).await?;
        Ok(Arc::new(journal))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// An open journal. The directory stays locked until the journal and all its consumers are dropped.
#[derive(Debug, Clone)]
pub struct Journal {
    owner: Arc<Owner>,
}

impl Journal {
    /// Opens the journal in `directory`, which is created if needed.
    ///
    /// # Errors
    /// `Unavailable` if another process has it open or it cannot be read; `Unsupported` if a newer
    /// release wrote it.
    pub async fn open(name: &str, config: Config, directory: &Path) -> Result<Journal, PortError> {
        config.validate(name)?;
        let (name, directory) = (name.to_owned(), directory.to_owned());
        let log = blocking(move || Log::open(&name, config, &directory)).await?;
        Ok(Journal { owner: Owner::start(log)? })
    }

    /// What was appended, trimmed, dropped, and found damaged.
    pub fn report(&self) -> Report {
        let state = self.owner.log.state();
        Report { bytes: state.bytes(), ..state.report.clone() }
    }
}

#[async_trait]
impl EventStream for Journal {
    fn name(&self) -> &str {
        &self.owner.log.name
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        if events.is_empty() {
            return Ok(());
        }
        let (log, events) = (Arc::clone(&self.owner.log), events.to_vec());
        blocking(move || log.append(&events)).await
    }

    async fn consumer(&self, group: &str, _consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError> {
        self.owner.log.join(group)?;
        Ok(Box::new(Consumer::new(Arc::clone(&self.owner), group)))
    }

    async fn lag(&self, group: &str) -> Result<Lag, PortError> {
        let state = self.owner.log.state();
        let appended = state.next - 1;
        Ok(match state.groups.get(group) {
            Some(group) => {
                Lag { appended, unread: group.unread(state.next), pending: group.pending(), dropped: group.dropped() }
            }
            None => Lag { appended, unread: state.next - state.first(), pending: 0, dropped: 0 },
        })
    }

    async fn readers(&self, _group: &str) -> Result<usize, PortError> {
        // The directory is locked by this process.
        Ok(1)
    }
}

/// Runs file I/O off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(PortError::new(ErrorKind::Unavailable, "the journal's task was stopped").with_source(error)),
    }
}

/// Keeps the log and the thread that saves, syncs and trims. Dropping it does all of that once more.
#[derive(Debug)]
struct Owner {
    log: Arc<Log>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Owner {
    fn start(log: Log) -> Result<Arc<Owner>, PortError> {
        let log = Arc::new(log);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (its_log, its_stop) = (Arc::clone(&log), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name(format!("journal-{}", log.name))
            .spawn(move || maintain(&its_log, &its_stop))
            .map_err(|error| {
                PortError::new(ErrorKind::Unavailable, format!("{}: cannot start a thread", log.name))
                    .with_source(error)
            })?;
        Ok(Arc::new(Owner { log, stop, thread: Some(thread) }))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(stream = self.log.name, "the journal's maintenance thread panicked");
        }
    }
}

fn maintain(log: &Log, stop: &(Mutex<bool>, Condvar)) {
    loop {
        let stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = stop
            .1
            .wait_timeout_while(stopped, log.config.tick(), |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let last = *stopped;
        drop(stopped);
        log.sync();
        log.save(log.config.sync == Sync::Always);
        log.trim(false);
        if last {
            return;
        }
    }
}
