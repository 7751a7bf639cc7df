//! Running queries: pages, single events and counts, on threads of their own.

use super::catalog::DataFile;
use super::columns::{column, decode};
use super::config::Config;
use super::filter::{expression, may_match, overlaps};
use super::lake::Snapshot;
use super::table::{Events, STORE_URL};
use crate::directory::io_error;
use datafusion::arrow::array::{Array, RecordBatch, StringArray, TimestampNanosecondArray};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, lit};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::{SessionConfig, SessionContext, col};
use parapet_event::{Cursor, EventFilter, EventPage, EventQuery, SecurityEvent};
use parapet_ports::{ErrorKind, PortError};
use std::cmp::Reverse;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use ulid::Ulid;

const LIMIT_MAX: usize = 1000;
const METADATA_CACHE_BYTES: usize = 64 << 20;

/// Where queries run: limited in memory, number and time.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Option<Runtime>,
    permits: Arc<Semaphore>,
    timeout: Duration,
    context: Context,
}

/// DataFusion as this store uses it.
#[derive(Clone)]
pub(crate) struct Context(SessionContext);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Engine {
    /// Prepares queries over files below `data`.
    pub(crate) fn start(name: &str, config: &Config, data: &Path, spill: &Path) -> Result<Engine, PortError> {
        let unavailable = |what: &str| PortError::new(ErrorKind::Unavailable, format!("{name}: cannot start {what}"));
        let threads = match config.query_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(format!("{name}-query"))
            .enable_all()
            .build()
            .map_err(|error| unavailable("query threads").with_source(error))?;
        empty(spill)?;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.query_memory_bytes)))
            .with_metadata_cache_limit(METADATA_CACHE_BYTES)
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill.to_owned()])),
            )
            .build_arc()
            .map_err(|error| unavailable("the query engine").with_source(error))?;
        let files = LocalFileSystem::new_with_prefix(data)
            .map_err(|error| unavailable("the query engine").with_source(error))?;
        let url =
            ObjectStoreUrl::parse(STORE_URL).map_err(|error| unavailable("the query engine").with_source(error))?;
        environment.register_object_store(url.as_ref(), Arc::new(files));
        let mut session = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
        let parquet = &mut session.options_mut().execution.parquet;
        // Filter columns are decoded first, the JSON of an event only where they match.
        parquet.pushdown_filters = true;
        parquet.reorder_filters = true;
        parquet.schema_force_view_types = false;
        let context = Context(SessionContext::new_with_config_rt(session, environment));
        Ok(Engine {
            runtime: Some(runtime),
            permits: Arc::new(Semaphore::new(config.max_queries)),
            timeout: Duration::from_secs(config.query_timeout_seconds),
            context,
        })
    }

    /// Handle for background work beside the queries.
    pub(crate) fn runtime(&self) -> Option<&Runtime> {
        self.runtime.as_ref()
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Runs a query on the engine's threads. It stops when the caller gives up or time runs out.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl Future<Output = Result<T, PortError>> + Send + 'static,
    ) -> Result<T, PortError> {
        let stopped = |why: &str| PortError::new(ErrorKind::Unavailable, format!("the query was stopped: {why}"));
        let Some(runtime) = &self.runtime else { return Err(stopped("the store is closing")) };
        let permits = Arc::clone(&self.permits);
        let limited = async move {
            let _permit = permits.acquire_owned().await;
            query.await
        };
        let mut task = JoinSet::new();
        task.spawn_on(limited, runtime.handle());
        match tokio::time::timeout(self.timeout, task.join_next()).await {
            Ok(Some(Ok(outcome))) => outcome,
            Ok(Some(Err(error))) => Err(PortError::new(ErrorKind::Corrupt, "the query failed").with_source(error)),
            Ok(None) => Err(stopped("the store is closing")),
            Err(_) => {
                let limit = self.timeout.as_secs();
                Err(stopped(&format!("it took longer than {limit} s (narrow it, or raise query_timeout_seconds)")))
            }
        }
    }
}

/// An empty directory: queries of a process that was killed left behind what they had spilled.
fn empty(directory: &Path) -> Result<(), PortError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("empty", directory, error)),
        _ => std::fs::create_dir_all(directory).map_err(|error| io_error("create the directory", directory, error)),
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime must not be dropped on an async thread, and files must be closed when we return.
        if let Some(runtime) = self.runtime.take() {
            let closer = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(30)));
            if closer.join().is_err() {
                tracing::error!("query threads did not stop in order");
            }
        }
    }
}

/// Puts an error of DataFusion into words.
pub(crate) fn failed(error: DataFusionError) -> PortError {
    use DataFusionError as E;
    let (kind, message) = match error.find_root() {
        E::ResourcesExhausted(_) => (
            ErrorKind::Unavailable,
            "the query needs more memory than query_memory_bytes allows; narrow it or raise the limit",
        ),
        E::ParquetError(_) | E::ArrowError(..) | E::ObjectStore(_) | E::IoError(_) | E::External(_) => {
            (ErrorKind::Corrupt, "stored events cannot be read")
        }
        _ => (ErrorKind::Unsupported, "the query failed"),
    };
    PortError::new(kind, message).with_source(error)
}

impl Context {
    /// The rows of a part of the store that satisfy an expression.
    pub(crate) fn select(
        &self,
        hot: Vec<RecordBatch>,
        files: Vec<Arc<DataFile>>,
        filter: Option<Expr>,
    ) -> Result<DataFrame, PortError> {
        let events = Events { hot, files, merge: false };
        let rows = self.0.read_table(Arc::new(events)).map_err(failed)?;
        match filter {
            Some(filter) => rows.filter(filter).map_err(failed),
            None => Ok(rows),
        }
    }

    /// All rows of sorted files in the order of the files.
    pub(crate) fn merge(&self, files: Vec<Arc<DataFile>>) -> Result<DataFrame, PortError> {
        let events = Events { hot: Vec::new(), files, merge: true };
        let rows = self.0.read_table(Arc::new(events)).map_err(failed)?;
        rows.sort(newest_first()).map_err(failed)
    }
}

fn newest_first() -> Vec<datafusion::logical_expr::SortExpr> {
    vec![col("timestamp").sort(false, true), col("id").sort(false, true)]
}

/// A row of a page before its event is decoded.
#[derive(Debug)]
struct Found {
    time: i64,
    id: String,
    batch: RecordBatch,
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<Found>, PortError> {
    let times: &TimestampNanosecondArray = column(batch, "timestamp")?;
    let ids: &StringArray = column(batch, "id")?;
    let row =
        |(at, time): (usize, &i64)| Found { time: *time, id: ids.value(at).to_owned(), batch: batch.slice(at, 1) };
    Ok(times.values().iter().enumerate().take(ids.len()).map(row).collect())
}

/// A page, newest first. Files are read in waves, the newest first, until those that are left cannot
/// contribute.
pub(crate) async fn page(context: Context, snapshot: Snapshot, query: EventQuery) -> Result<EventPage, PortError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let (filter, cursor, floor) = (&query.filter, query.cursor.as_ref(), snapshot.floor);
    let files: Vec<_> = snapshot.files.iter().filter(|file| may_match(file, filter, cursor, floor)).cloned().collect();
    let mut rest = files.as_slice();
    let mut hot = snapshot.hot;
    if snapshot.hot_times.is_some_and(|times| !overlaps(times, filter, cursor, floor)) {
        hot.clear();
    }
    let mut wave = 2;
    let mut found: Vec<Found> = Vec::new();
    loop {
        let (now, later) = rest.split_at(wave.min(rest.len()));
        let mut expression = expression(filter, cursor, floor);
        if let Some(last) = found.get(limit) {
            let newer = EventFilter {
                start_time: Some(chrono::DateTime::from_timestamp_nanos(last.time)),
                ..EventFilter::default()
            };
            let newer = self::expression(&newer, None, floor);
            expression = expression.into_iter().chain(newer).reduce(Expr::and);
        }
        let rows = context.select(std::mem::take(&mut hot), now.to_vec(), expression)?;
        let rows = rows.select_columns(&["timestamp", "id", "event"]).map_err(failed)?;
        let rows = rows.sort(newest_first()).and_then(|rows| rows.limit(0, Some(limit + 1))).map_err(failed)?;
        for batch in rows.collect().await.map_err(failed)? {
            found.extend(rows_of(&batch)?);
        }
        found.sort_by(|a, b| Reverse((a.time, &a.id)).cmp(&Reverse((b.time, &b.id))));
        found.truncate(limit + 1);
        rest = later;
        wave *= 2;
        let complete = match (rest.first(), found.get(limit)) {
            (None, _) => true,
            (Some(next), Some(last)) => last.time > next.meta.max_time,
            (Some(_), None) => false,
        };
        if complete {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let mut events = Vec::with_capacity(found.len());
    for row in &found {
        events.extend(decode(&row.batch)?);
    }
    let next = events.last().filter(|_| more).map(|last| Cursor { timestamp: last.timestamp, id: last.id });
    Ok(EventPage { events, next })
}

/// One event. Ids begin with their time, so the ranges of ids tell which files may have it.
pub(crate) async fn get(context: Context, snapshot: Snapshot, id: Ulid) -> Result<Option<SecurityEvent>, PortError> {
    let may_have = |file: &&Arc<DataFile>| (file.meta.min_id..=file.meta.max_id).contains(&id);
    let files = snapshot.files.iter().filter(may_have).cloned().collect();
    let visible = expression(&EventFilter::default(), None, snapshot.floor);
    let this = col("id").eq(lit(id.to_string()));
    let wanted = visible.into_iter().fold(this, Expr::and);
    let rows = context.select(snapshot.hot, files, Some(wanted))?;
    let rows = rows.select_columns(&["event"]).and_then(|rows| rows.limit(0, Some(1))).map_err(failed)?;
    for batch in rows.collect().await.map_err(failed)? {
        if let Some(event) = decode(&batch)?.pop() {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

/// How many events lie between the floor and `before`.
pub(crate) async fn count_before(
    context: Context,
    snapshot: Snapshot,
    before: chrono::DateTime<chrono::Utc>,
) -> Result<u64, PortError> {
    let filter = EventFilter { end_time: Some(before), ..EventFilter::default() };
    let files = snapshot.files.iter().filter(|file| may_match(file, &filter, None, snapshot.floor)).cloned().collect();
    let rows = context.select(snapshot.hot, files, expression(&filter, None, snapshot.floor))?;
    Ok(rows.count().await.map_err(failed)? as u64)
}
