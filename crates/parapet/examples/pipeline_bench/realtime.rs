//! 10,000 attacks a second through spool, router, real-time track and alerting, history included: how
//! long each waits for the decision about its alert.

use crate::Outcome;
use crate::events::{attacks, numbered, stream};
use crate::figures::{Figures, Recorded};
use chrono::{TimeDelta, Utc};
use parapet_embedded::lakehouse::{self, Lakehouse};
use parapet_identity::{Config as ControlDatabase, Identity};
use parapet_pipeline::spool::Spool;
use parapet_pipeline::{AnalyticsParts, Config, IntakeParts, Parts, Pipeline, RealTimeParts, RouterParts};
use parapet_ports::{EventSink, EventStream, LiveFeed};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const RATE: u64 = 10_000;
/// Events are submitted this often at that rate.
const TICK: Duration = Duration::from_millis(5);
/// Attackers: each has an alert that counts its events.
const CLIENTS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(60);

static WAITED: OnceLock<Recorded> = OnceLock::new();

/// Latencies that the real-time track records. The recorder is the process's, so it is installed once.
fn waited() -> Outcome<&'static Recorded> {
    if WAITED.get().is_none() {
        let recorded = Recorded::of("parapet_event_to_decision_seconds");
        metrics::set_global_recorder(recorded.clone())?;
        let _ = WAITED.set(recorded);
    }
    Ok(WAITED.get().ok_or("no recorder")?)
}

/// Notes the latencies with `realtime` as the stream of the track.
pub async fn measure(
    figures: &mut Figures,
    key: &str,
    realtime: Arc<dyn EventStream>,
    scratch: &Path,
    seconds: u64,
) -> Outcome<()> {
    let waited = waited()?;
    let running = Pipeline::start(Config::default(), parts(realtime, scratch).await?).await?;
    let sink = running.sink().ok_or("the pipeline takes nothing in")?;
    let total = RATE * seconds;
    let started = Instant::now();
    submit(&sink, total).await?;
    while waited.len() < total as usize {
        if started.elapsed() > Duration::from_secs(seconds) + PATIENCE {
            return Err(format!("only {} of {total} events were decided on", waited.len()).into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = total as f64 / started.elapsed().as_secs_f64();
    running.shutdown().await;
    let waited = waited.take();
    let percentile = |percent: usize| waited.get(waited.len() * percent / 100).map_or(0.0, |seconds| seconds * 1000.0);
    figures.add(&format!("{key}_events_per_s"), rate)?;
    figures.add(&format!("{key}_p50_ms"), percentile(50))?;
    figures.add(&format!("{key}_p99_ms"), percentile(99))?;
    figures.add(&format!("{key}_max_ms"), waited.last().copied().unwrap_or_default() * 1000.0)
}

/// Everything in one process, as `parapet run` has it.
async fn parts(realtime: Arc<dyn EventStream>, scratch: &Path) -> Outcome<Parts> {
    let spool = stream("journal", "", &scratch.join("spool")).await?;
    let analytics = stream("journal", "", &scratch.join("analytics")).await?;
    let store = Arc::new(Lakehouse::open("bench", lakehouse::Config::default(), &scratch.join("store")).await?);
    let database = ControlDatabase { path: scratch.join("control.db"), ..ControlDatabase::default() };
    let alerts = Arc::new(Identity::open(&database).await?);
    Ok(Parts {
        intake: Some(IntakeParts { spool: spool.clone(), sources: Vec::new() }),
        router: Some(RouterParts { spool, realtime: realtime.clone(), analytics: analytics.clone() }),
        realtime: Some(RealTimeParts {
            stream: realtime,
            alerts,
            channels: Vec::new(),
            events: Some(store.clone()),
            state: None,
        }),
        analytics: Some(AnalyticsParts { stream: analytics, store, reports: None }),
        live: LiveFeed::new(1024),
        directory: scratch.join("pipeline"),
    })
}

/// Submits at the rate. An event that is late counts from when it was due, so a stall is not hidden.
async fn submit(sink: &Spool, total: u64) -> Outcome<()> {
    let pool = attacks(CLIENTS);
    let per_tick = RATE * TICK.as_millis() as u64 / 1000;
    let (start, start_time) = (tokio::time::Instant::now(), Utc::now());
    for tick in 0..total / per_tick {
        let due = TICK * u32::try_from(tick)?;
        tokio::time::sleep_until(start + due).await;
        let time = start_time + TimeDelta::from_std(due)?;
        for number in tick * per_tick..(tick + 1) * per_tick {
            sink.submit(numbered(&pool[number as usize % pool.len()], number, time));
        }
    }
    Ok(())
}
