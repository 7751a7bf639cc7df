//! The embedded [`EventStore`]: Parquet files and DataFusion (kind `lakehouse`).
//!
//! - `write` encodes events as columns, appends them to a write-ahead log and puts them into memory;
//!   from then on queries see them and a crash cannot lose them. Ids that are known already, in memory
//!   or in files, are left out.
//! - By number, size or age, the events in memory are written to Parquet files, one per day
//!   (`data/day=2026-01-31/<ulid>.parquet`), and published by replacing `manifest.json`, which also
//!   says how far the log is covered. Small files of a day are merged later.
//! - Queries are typed DataFusion plans over memory and the files that can matter; they run on threads
//!   of their own, limited in number, memory and time. Pages read the newest files first and stop
//!   early.
//! - Files are immutable. One that is damaged is moved to `quarantine/` and reported; the rest goes on
//!   answering.
//! - Retention raises a floor below which events are invisible, and deletes files that lie below it.

mod aggregate;
mod catalog;
mod columns;
mod compact;
mod config;
mod filter;
mod hot;
mod ids;
mod lake;
mod parquet_file;
mod query;
mod retention;
mod splice;
mod table;
mod wal;

pub use config::Config;
pub use lake::Report;

use crate::clock;
use async_trait::async_trait;
use catalog::DataFile;
use chrono::{DateTime, Utc};
use lake::{Lake, Snapshot};
use parapet_event::{AggregateQuery, Bucket, EventPage, EventQuery, SecurityEvent};
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::{ErrorKind, EventStore, PortError, SharedEvent};
use query::{Context, Engine};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ulid::Ulid;

/// How long a writer waits for a flush before it gives up.
const CROWDED_WAIT: Duration = Duration::from_secs(30);
/// How often events beyond the configured age are deleted.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);
/// Damaged files that one query gets out of its way.
const QUARANTINES_MAX: usize = 8;

/// How this kind is known.
pub const PLUGIN: Plugin<dyn EventStore> = Plugin {
    kind: "lakehouse",
    summary: "Parquet files on the local disk, queried with DataFusion",
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
impl Ready<dyn EventStore> for Checked {
    async fn open(&self, place: &Place) -> Result<Arc<dyn EventStore>, PortError> {
        let store = Lakehouse::open(&self.name, self.config.clone(), &place.directory).await?;
        Ok(Arc::new(store))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// An open lakehouse. The directory stays locked until it is dropped.
#[derive(Debug)]
pub struct Lakehouse {
    // Dropped first: its threads hold the lake.
    engine: Engine,
    lake: Arc<Lake>,
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(PortError::new(ErrorKind::Unavailable, "the store's task was stopped").with_source(error)),
    }
}

impl Lakehouse {
    /// Opens the store in `directory`, which is created if needed.
    ///
    /// # Errors
    /// `Unavailable` if another process has it open or it cannot be read; `Unsupported` if a newer
    /// release wrote it.
    pub async fn open(name: &str, config: Config, directory: &Path) -> Result<Lakehouse, PortError> {
        config.validate(name)?;
        let (name, directory) = (name.to_owned(), directory.to_owned());
        let (engine, lake) = blocking(move || {
            let lake = Arc::new(Lake::open(&name, config, &directory)?);
            let engine = Engine::start(&name, &lake.config, &lake.data(), &lake.spill())?;
            Ok((engine, lake))
        })
        .await?;
        if let Some(runtime) = engine.runtime() {
            runtime.spawn(maintain(Arc::clone(&lake), engine.context().clone()));
        }
        Ok(Lakehouse { engine, lake })
    }

    /// What is in the store, and what went wrong.
    pub fn report(&self) -> Report {
        self.lake.report()
    }

    /// Writes the events in memory to Parquet files now.
    ///
    /// # Errors
    /// `Full` or `Unavailable` if that is not possible; the events stay in memory and in the log.
    pub async fn flush(&self) -> Result<(), PortError> {
        let lake = Arc::clone(&self.lake);
        blocking(move || lake.flush()).await
    }

    /// Merges small files until there is nothing left to merge.
    ///
    /// # Errors
    /// The first failure; files stay as they were.
    pub async fn compact(&self) -> Result<(), PortError> {
        let (lake, context) = (Arc::clone(&self.lake), self.engine.context().clone());
        self.engine.run(compact(lake, context)).await
    }

    /// Runs a query over the store as it is now. If that fails because of a damaged file, the file is
    /// set aside and the query runs again.
    async fn answer<T, F, Fut>(&self, query: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: Fn(Context, Snapshot) -> Fut,
        Fut: Future<Output = Result<T, PortError>> + Send + 'static,
    {
        for _ in 0..QUARANTINES_MAX {
            let snapshot = self.lake.snapshot();
            let outcome = self.engine.run(query(self.engine.context().clone(), snapshot.clone())).await;
            match outcome {
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    if !set_damaged_aside(&self.lake, &snapshot.files).await? {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(PortError::new(ErrorKind::Corrupt, "too many damaged files; see the log"))
    }
}

/// Looks for damaged files and sets them aside; `false` if there are none.
async fn set_damaged_aside(lake: &Arc<Lake>, files: &[Arc<DataFile>]) -> Result<bool, PortError> {
    let mut any = false;
    for file in files {
        let checked = Arc::clone(file);
        let check = move || {
            checked.meta.checksum.map_or(Ok(()), |checksum| parquet_file::verify(&checked.path, checksum))?;
            parquet_file::check(&checked.path)
        };
        // A decoder that panics over a file is as good as one that refuses it.
        let reason = match tokio::task::spawn_blocking(check).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) if error.kind != ErrorKind::Corrupt => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let (lake, file) = (Arc::clone(lake), Arc::clone(file));
        blocking(move || lake.quarantine(&file, reason)).await?;
        any = true;
    }
    Ok(any)
}

async fn compact(lake: Arc<Lake>, context: Context) -> Result<(), PortError> {
    while let Some(files) = compact::candidates(&lake.snapshot().files, &lake.config) {
        match compact::merge(Arc::clone(&lake), context.clone(), files.clone()).await {
            Err(error) if error.kind == ErrorKind::Corrupt => {
                if !set_damaged_aside(&lake, &files).await? {
                    return Err(error);
                }
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Syncs, flushes, merges and applies retention until the store is closed.
async fn maintain(lake: Arc<Lake>, context: Context) {
    let mut tick = tokio::time::interval(Duration::from_millis(lake.config.sync_interval_ms.min(1000)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut problem: Option<String> = None;
    let mut retained = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = lake.flush_due.notified() => {}
        }
        let retention_due = retained.is_none_or(|last: Instant| last.elapsed() >= RETENTION_INTERVAL);
        let outcome = maintain_once(&lake, &context, retention_due).await;
        if retention_due {
            retained = Some(clock::ticks());
        }
        let now = outcome.err().map(|error| error.to_string());
        if let Some(error) = now.as_ref().filter(|_| now != problem) {
            tracing::error!(store = lake.name, error, "the store could not be maintained; no event is lost");
        }
        problem = now;
    }
}

async fn maintain_once(lake: &Arc<Lake>, context: &Context, retention_due: bool) -> Result<(), PortError> {
    let worker = Arc::clone(lake);
    let flushed = blocking(move || {
        worker.sync();
        if let Some(floor) = worker.oldest_kept().filter(|_| retention_due) {
            worker.raise_floor(floor)?;
        }
        if !worker.is_flush_due() {
            return Ok(false);
        }
        worker.flush()?;
        worker.shrink()?;
        Ok(true)
    })
    .await?;
    if flushed {
        compact(Arc::clone(lake), context.clone()).await?;
    }
    Ok(())
}

#[async_trait]
impl EventStore for Lakehouse {
    fn name(&self) -> &str {
        &self.lake.name
    }

    async fn write(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        if events.is_empty() {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + CROWDED_WAIT;
        while self.lake.is_crowded() {
            let flushed = self.lake.flushed.notified();
            tokio::pin!(flushed);
            flushed.as_mut().enable();
            self.lake.flush_due.notify_one();
            if self.lake.is_crowded() && tokio::time::timeout_at(deadline, flushed).await.is_err() {
                return Err(lake::crowded(&self.lake.name));
            }
        }
        let (lake, events) = (Arc::clone(&self.lake), events.to_vec());
        blocking(move || lake.write(&events)).await
    }

    async fn query(&self, query: &EventQuery) -> Result<EventPage, PortError> {
        self.answer(|context, snapshot| query::page(context, snapshot, query.clone())).await
    }

    async fn get(&self, id: Ulid) -> Result<Option<SecurityEvent>, PortError> {
        self.answer(|context, snapshot| query::get(context, snapshot, id)).await
    }

    async fn aggregate(&self, query: &AggregateQuery) -> Result<Vec<Bucket>, PortError> {
        self.answer(|context, snapshot| aggregate::aggregate(context, snapshot, query.clone())).await
    }

    async fn retain(&self, before: DateTime<Utc>) -> Result<u64, PortError> {
        let count = self.answer(|context, snapshot| query::count_before(context, snapshot, before)).await?;
        let lake = Arc::clone(&self.lake);
        blocking(move || lake.raise_floor(columns::nanoseconds(before))).await?;
        Ok(count)
    }
}
