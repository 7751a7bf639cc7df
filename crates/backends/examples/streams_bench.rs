//! Measures streams over real servers; `bench/streams` builds and runs it.
//!
//! `streams_bench redis [SECONDS]`: 10,000 events a second through Redis, from when each was due to be
//! appended until a consumer has it. `streams_bench kafka [EVENTS]`: events per second that are appended
//! to Kafka, read and acknowledged, all at the same time. `streams_bench encodings`: size and time of one
//! event in each encoding. Without arguments all of them. Prints a table and, as its last line, one JSON
//! object with the unit in each key.

use parapet_backends::STREAMS;
use parapet_event::SecurityEvent;
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::suites::{Random, sample_event};
use parapet_ports::{Entry, EventStream, StreamConsumer};
use parapet_services::{Kafka, Redis};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ulid::Ulid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: streams_bench [redis [SECONDS] | kafka [EVENTS] | encodings]";
const SECONDS: u64 = 20;
const EVENTS: u64 = 500_000;
/// Different events; they are used again and again.
const POOL: u64 = 20_000;
/// Events of one append, as the router makes them.
const BATCH: usize = 500;
const RATE: u64 = 10_000;
/// Events are appended this often at that rate.
const TICK: Duration = Duration::from_millis(10);
const RUNS: usize = 5;

/// Figures in the order they were taken.
#[derive(Default)]
struct Figures(Vec<(String, f64)>);

impl Figures {
    fn add(&mut self, key: &str, value: f64) -> Outcome<()> {
        self.0.push((key.to_owned(), value));
        writeln!(std::io::stdout(), "{key:<44} {value:>14.1}")?;
        Ok(())
    }

    fn json(&self) -> String {
        let fields: Vec<_> = self.0.iter().map(|(key, value)| format!("\"{key}\":{value:.1}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// Events with a browser's number of headers, from 50,000 clients.
fn pool() -> Vec<Arc<SecurityEvent>> {
    let event = |number: u64| {
        let mut event = sample_event(number);
        let mut random = Random::new(number);
        event.client_ip = IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + random.below(50_000) as u32));
        for index in 0..12 {
            event.request.headers.push((format!("X-Header-{index}"), format!("value-{}", random.below(1000))));
        }
        Arc::new(event)
    };
    (0..POOL).map(event).collect()
}

async fn open(kind: &str, table: &str) -> Outcome<Arc<dyn EventStream>> {
    let settings = Settings { name: "bench".into(), table: table.parse()? };
    let ready = (find(&[STREAMS], kind)?.check)(settings)?;
    Ok(ready.open(&Place { directory: std::env::temp_dir() }).await?)
}

async fn acknowledge(consumer: &mut dyn StreamConsumer, entries: &[Entry]) -> Outcome<()> {
    Ok(consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await?)
}

/// The event with the time at which it is due, since the start, in its id.
fn stamped(event: &SecurityEvent, due: Duration) -> Arc<SecurityEvent> {
    let mut event = event.clone();
    event.id = Ulid::from_parts(event.id.timestamp_ms(), due.as_micros());
    Arc::new(event)
}

async fn measure_redis(figures: &mut Figures, seconds: u64) -> Outcome<()> {
    let Some(server) = Redis::start("streams_bench", &["--appendfsync", "everysec"]) else { return Ok(()) };
    let stream = open("redis", &format!("addresses = [\"{}\"]", server.address())).await?;
    let mut consumer = stream.consumer("bench", "a").await?;
    let (pool, start) = (pool(), Instant::now());
    let per_tick = (RATE * TICK.as_millis() as u64 / 1000) as usize;
    let ticks = seconds * 1000 / TICK.as_millis() as u64;
    let writer = tokio::spawn(async move {
        for tick in 0..ticks {
            // What is late counts from when it was due, so a stall is not hidden.
            let due = TICK * u32::try_from(tick)?;
            tokio::time::sleep_until((start + due).into()).await;
            let from = tick as usize * per_tick % pool.len();
            let events: Vec<_> = pool[from..from + per_tick].iter().map(|event| stamped(event, due)).collect();
            stream.append(&events).await?;
        }
        Outcome::Ok(())
    });
    let total = ticks as usize * per_tick;
    let mut latencies = Vec::with_capacity(total);
    while latencies.len() < total {
        let entries = consumer.read(512, Duration::from_secs(10)).await?;
        if entries.is_empty() {
            return Err("events are missing".into());
        }
        let now = start.elapsed();
        for entry in &entries {
            let due = Duration::from_micros(u64::try_from(entry.event.id.random())?);
            latencies.push(now.saturating_sub(due).as_secs_f64() * 1000.0);
        }
        acknowledge(&mut *consumer, &entries).await?;
    }
    writer.await??;
    let rate = total as f64 / start.elapsed().as_secs_f64();
    latencies.sort_by(f64::total_cmp);
    figures.add("realtime_redis_events_per_s", rate)?;
    figures.add("realtime_redis_p50_ms", latencies[total / 2])?;
    figures.add("realtime_redis_p99_ms", latencies[total * 99 / 100])?;
    figures.add("realtime_redis_max_ms", latencies[total - 1])
}

async fn measure_kafka(figures: &mut Figures, events: usize) -> Outcome<()> {
    let Some(broker) = Kafka::start("streams_bench") else { return Ok(()) };
    let pool = pool();
    for (encoding, key) in [("json", "analytics_kafka"), ("msgpack", "analytics_kafka_msgpack")] {
        let table = format!("brokers = [\"{}\"]\ntopic = \"{encoding}\"\nencoding = \"{encoding}\"", broker.address());
        let stream = open("kafka", &table).await?;
        let mut consumer = stream.consumer("bench", "a").await?;
        // The first events load the broker's classes and make connections.
        carry(&stream, &mut *consumer, &pool, events / 10).await?;
        let rate = carry(&stream, &mut *consumer, &pool, events).await?;
        figures.add(&format!("{key}_events_per_s"), rate)?;
    }
    Ok(())
}

/// Appends, reads and acknowledges so many events; returns events per second.
async fn carry(
    stream: &Arc<dyn EventStream>,
    consumer: &mut dyn StreamConsumer,
    pool: &[Arc<SecurityEvent>],
    events: usize,
) -> Outcome<f64> {
    let started = Instant::now();
    let (stream, pool) = (Arc::clone(stream), pool.to_vec());
    let writer = tokio::spawn(async move {
        for batch in 0..events / BATCH {
            let from = batch * BATCH % pool.len();
            stream.append(&pool[from..from + BATCH]).await?;
        }
        Outcome::Ok(())
    });
    let (mut read, total) = (0, events / BATCH * BATCH);
    while read < total {
        let entries = consumer.read(4096, Duration::from_secs(20)).await?;
        if entries.is_empty() {
            return Err(format!("only {read} of {total} events arrived").into());
        }
        read += entries.len();
        acknowledge(consumer, &entries).await?;
    }
    writer.await??;
    Ok(total as f64 / started.elapsed().as_secs_f64())
}

/// Best time for one event, in nanoseconds.
fn time(events: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        work()?;
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / events as f64);
    }
    Ok(best)
}

fn packed(event: &SecurityEvent) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    event.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable())?;
    Ok(bytes)
}

fn measure_encodings(figures: &mut Figures) -> Outcome<()> {
    let pool = pool();
    let json: Vec<_> = pool.iter().map(|event| serde_json::to_vec(&**event)).collect::<Result<_, _>>()?;
    let msgpack: Vec<_> = pool.iter().map(|event| packed(event)).collect::<Outcome<_>>()?;
    let size = |payloads: &[Vec<u8>]| payloads.iter().map(Vec::len).sum::<usize>() as f64 / payloads.len() as f64;
    figures.add("wire_json_bytes", size(&json))?;
    figures.add("wire_msgpack_bytes", size(&msgpack))?;
    let json_encode = time(pool.len(), || {
        for event in &pool {
            black_box(serde_json::to_vec(&**event)?);
        }
        Ok(())
    })?;
    let msgpack_encode = time(pool.len(), || {
        for event in &pool {
            black_box(packed(event)?);
        }
        Ok(())
    })?;
    let json_decode = time(pool.len(), || {
        for bytes in &json {
            black_box(serde_json::from_slice::<SecurityEvent>(bytes)?);
        }
        Ok(())
    })?;
    let msgpack_decode = time(pool.len(), || {
        for bytes in &msgpack {
            let mut reader = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
            black_box(SecurityEvent::deserialize(&mut reader)?);
        }
        Ok(())
    })?;
    figures.add("wire_json_encode_ns", json_encode)?;
    figures.add("wire_msgpack_encode_ns", msgpack_encode)?;
    figures.add("wire_json_decode_ns", json_decode)?;
    figures.add("wire_msgpack_decode_ns", msgpack_decode)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (what, amount) = (arguments.next(), arguments.next());
    let amount = |default: u64| amount.map_or(Ok(default), |text| text.parse::<u64>().map_err(|_| USAGE));
    let mut figures = Figures::default();
    match what.as_deref() {
        Some("redis") => measure_redis(&mut figures, amount(SECONDS)?).await?,
        Some("kafka") => measure_kafka(&mut figures, amount(EVENTS)? as usize).await?,
        Some("encodings") => measure_encodings(&mut figures)?,
        Some(_) => return Err(USAGE.into()),
        None => {
            measure_encodings(&mut figures)?;
            measure_redis(&mut figures, SECONDS).await?;
            measure_kafka(&mut figures, EVENTS as usize).await?;
        }
    }
    writeln!(std::io::stdout(), "{}", figures.json())?;
    Ok(())
}
