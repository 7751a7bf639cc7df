//! Events per second through a stream and the analytics track, each confirmed by the embedded store.

use crate::Outcome;
use crate::events::{pool, renumber};
use crate::figures::Figures;
use chrono::Utc;
use parapet_embedded::lakehouse::{self, Lakehouse};
use parapet_event::SecurityEvent;
use parapet_pipeline::{AnalyticsParts, Config, Parts, Pipeline};
use parapet_ports::{EventStream, Ledger, LiveFeed, SharedEvent};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of one append, as a router that has a backlog makes them.
const BATCH: usize = 2048;
const CLIENTS: u64 = 50_000;
/// Events that may be on their way to the store: what is measured is the rate at which it keeps up, not how
/// fast a backlog grows.
const AHEAD: u64 = 12_288;
const PATIENCE: Duration = Duration::from_secs(300);

/// Notes the events per second.
pub async fn measure(
    figures: &mut Figures,
    key: &str,
    stream: Arc<dyn EventStream>,
    scratch: &Path,
    events: u64,
) -> Outcome<()> {
    let store = Arc::new(Lakehouse::open("bench", lakehouse::Config::default(), &scratch.join("store")).await?);
    let parts = Parts {
        intake: None,
        router: None,
        realtime: None,
        analytics: Some(AnalyticsParts { stream: stream.clone(), store: store.clone(), reports: None }),
        live: LiveFeed::new(1),
        directory: scratch.join("pipeline"),
    };
    let running = Pipeline::start(Config::default(), parts).await?;
    let ledger = running.ledger();
    let confirmed = move || ledger.snapshot().get("store:bench").map_or(0, |hop| hop.delivered);
    let pool = pool(CLIENTS);
    let started = Instant::now();
    let writer = tokio::spawn(append(stream, pool, events, confirmed.clone()));
    while confirmed() < events {
        if started.elapsed() > PATIENCE {
            return Err(format!("the store confirmed only {} of {events} events", confirmed()).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    figures.add(key, events as f64 / started.elapsed().as_secs_f64())?;
    writer.await??;
    running.shutdown().await;
    let report = store.report();
    if report.hot_events + report.file_events != events {
        return Err(format!("the store holds {report:?}, not {events} events").into());
    }
    Ok(())
}

/// Appends, reads and acknowledges so many events.
pub async fn warm_up(stream: Arc<dyn EventStream>, events: u64) -> Outcome<()> {
    let mut consumer = stream.consumer("warm-up", "bench").await?;
    append(stream, pool(CLIENTS), events, || events).await?;
    let mut read = 0;
    while read < events {
        let entries = consumer.read(4096, Duration::from_secs(20)).await?;
        if entries.is_empty() {
            return Err(format!("only {read} of {events} events arrived").into());
        }
        read += entries.len() as u64;
        consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Appends the pool again and again, each time under new numbers.
async fn append(
    stream: Arc<dyn EventStream>,
    pool: Vec<SecurityEvent>,
    events: u64,
    confirmed: impl Fn() -> u64,
) -> Outcome<()> {
    let mut pool: Vec<_> = pool.into_iter().map(SharedEvent::new).collect();
    let mut appended = 0;
    while appended < events {
        for batch in pool.chunks_mut(BATCH) {
            let length = batch.len().min(usize::try_from(events - appended)?);
            let batch = &mut batch[..length];
            while appended > confirmed() + AHEAD {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let now = Utc::now();
            for (event, number) in batch.iter_mut().zip(appended..) {
                renumber(event.make_mut(), number, now);
            }
            stream.append(batch).await?;
            appended += batch.len() as u64;
        }
    }
    Ok(())
}
