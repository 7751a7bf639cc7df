//! Measures the pipeline with its real parts; `bench/pipeline` builds and runs it.
//!
//! Prints a table and, as its last line, one JSON object with the unit in each key.

#![allow(unreachable_pub, reason = "a program has no public interface")]

mod analytics;
mod encodings;
mod events;
mod figures;
mod realtime;
mod router;

use figures::Figures;
use mimalloc::MiMalloc;
use parapet_services::{Kafka, Redis};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// As in the product.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: bench/pipeline [--quick] [PART...]
parts: router realtime redis analytics kafka encodings (default: all)";
const PARTS: [&str; 6] = ["router", "encodings", "realtime", "redis", "analytics", "kafka"];

/// How much is measured.
struct Size {
    router_seconds: u64,
    realtime_seconds: u64,
    analytics_events: u64,
    kafka_events: u64,
}

const FULL: Size =
    Size { router_seconds: 10, realtime_seconds: 20, analytics_events: 1_000_000, kafka_events: 500_000 };
/// Enough to see that everything works.
const QUICK: Size = Size { router_seconds: 1, realtime_seconds: 3, analytics_events: 50_000, kafka_events: 20_000 };

async fn measure(part: &str, size: &Size, scratch: &Path, figures: &mut Figures) -> Outcome<()> {
    match part {
        "router" => router::measure(figures, size.router_seconds)?,
        "encodings" => encodings::measure(figures)?,
        "realtime" => {
            let stream = events::stream("journal", "", &scratch.join("realtime-track")).await?;
            realtime::measure(figures, "realtime", stream, scratch, size.realtime_seconds).await?;
        }
        "redis" => {
            let Some(server) = Redis::start("bench/pipeline", &["--appendfsync", "everysec"]) else { return Ok(()) };
            let table = format!("addresses = [\"{}\"]", server.address());
            let stream = events::stream("redis", &table, scratch).await?;
            realtime::measure(figures, "realtime_redis", stream, scratch, size.realtime_seconds).await?;
        }
        "analytics" => {
            let stream = events::stream("journal", "", &scratch.join("analytics-track")).await?;
            analytics::measure(figures, "analytics_events_per_s", stream, scratch, size.analytics_events).await?;
        }
        "kafka" => {
            let Some(broker) = Kafka::start("bench/pipeline") else { return Ok(()) };
            let table = |topic| format!("brokers = [\"{}\"]\ntopic = \"{topic}\"", broker.address());
            // The first events load the broker's classes.
            let warm_up = events::stream("kafka", &table("warm-up"), scratch).await?;
            analytics::warm_up(warm_up, size.kafka_events).await?;
            let stream = events::stream("kafka", &table("analytics"), scratch).await?;
            analytics::measure(figures, "analytics_kafka_events_per_s", stream, scratch, size.kafka_events).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let (options, mut parts): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    let size = match options.as_slice() {
        [] => &FULL,
        [quick] if quick == "--quick" => &QUICK,
        _ => return Err(USAGE.into()),
    };
    if parts.is_empty() {
        parts = PARTS.map(str::to_owned).into();
    }
    let mut figures = Figures::default();
    for part in &parts {
        // Each starts with empty streams and an empty store.
        let scratch = tempfile::tempdir()?;
        measure(part, size, scratch.path(), &mut figures).await?;
    }
    writeln!(std::io::stdout(), "{}", figures.json())?;
    Ok(())
}
