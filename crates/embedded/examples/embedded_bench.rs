//! Measures the journal and the lakehouse; `bench/embedded` builds and runs it.
//!
//! Prints a table and, as its last line, one JSON object with the unit in each key. The number of
//! events is the first argument (default one million).

use chrono::{DateTime, Duration, Utc};
use parapet_embedded::journal::{self, Journal};
use parapet_embedded::lakehouse::{self, Lakehouse};
use parapet_event::{AggregateQuery, AttackClass, EventFilter, EventQuery, GroupBy, SecurityEvent};
use parapet_ports::suites::{Random, sample_event};
use parapet_ports::{EventStore, EventStream, SharedEvent};
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;
use ulid::Ulid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BATCH: u64 = 1000;
const RUNS: usize = 30;

/// Figures in the order they were taken.
#[derive(Default)]
struct Figures(Vec<(String, f64)>);

impl Figures {
    fn add(&mut self, key: &str, value: f64) -> Outcome<()> {
        self.0.push((key.to_owned(), value));
        writeln!(std::io::stdout(), "{key:<44} {value:>14.1}")?;
        Ok(())
    }

    fn rate(&mut self, key: &str, events: u64, since: Instant) -> Outcome<()> {
        self.add(key, (events as f64 / since.elapsed().as_secs_f64()).round())
    }

    fn json(&self) -> String {
        let fields: Vec<_> = self.0.iter().map(|(key, value)| format!("\"{key}\":{value:.1}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// Event `number` of `total`: one week of traffic that ends at `end`, from 50,000 clients.
fn event(number: u64, total: u64, end: DateTime<Utc>) -> SecurityEvent {
    let mut event = sample_event(number);
    let mut random = Random::new(number);
    let age = Duration::days(7).num_milliseconds() as f64 * (1.0 - number as f64 / total as f64);
    event.timestamp = end - Duration::milliseconds(age as i64);
    event.id = Ulid::from_parts(event.timestamp.timestamp_millis() as u64, u128::from(number));
    event.client_ip = IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + random.below(50_000) as u32));
    for index in 0..12 {
        let value = format!("value-{}", random.below(1000));
        event.request.headers.push((format!("X-Header-{index}").into(), value.into()));
    }
    event
}

fn batch(start: u64, total: u64, end: DateTime<Utc>) -> Vec<SharedEvent> {
    (start..(start + BATCH).min(total)).map(|number| SharedEvent::new(event(number, total, end))).collect()
}

async fn measure_journal(figures: &mut Figures, directory: &Path, total: u64, end: DateTime<Utc>) -> Outcome<()> {
    let pool: Vec<_> = (0..20).map(|index| batch(index * BATCH, total, end)).collect();
    let bytes: usize =
        pool.iter().flatten().map(|event| serde_json::to_string(&**event).map_or(0, |json| json.len())).sum();
    figures.add("event_json_bytes", bytes as f64 / (20 * BATCH) as f64)?;
    let config = journal::Config { cache_bytes: 0, max_bytes: 64 << 30, ..journal::Config::default() };
    let journal = Journal::open("bench", config, &directory.join("disk")).await?;
    let started = Instant::now();
    for index in 0..total / BATCH {
        journal.append(&pool[(index % 20) as usize]).await?;
    }
    figures.rate("journal_append_events_per_s", total, started)?;
    let mut consumer = journal.consumer("bench", "a").await?;
    let started = Instant::now();
    let mut read = 0;
    while read < total {
        let entries = consumer.read(BATCH as usize, std::time::Duration::from_secs(5)).await?;
        read += entries.len() as u64;
        consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await?;
    }
    figures.rate("journal_read_from_disk_events_per_s", total, started)?;
    drop((journal, consumer));
    let journal = Journal::open("bench", journal::Config::default(), &directory.join("keeping-up")).await?;
    let mut consumer = journal.consumer("bench", "a").await?;
    let started = Instant::now();
    let reader = tokio::spawn(async move {
        let mut read = 0;
        while read < total {
            let entries = consumer.read(BATCH as usize, std::time::Duration::from_secs(5)).await?;
            read += entries.len() as u64;
            consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await?;
        }
        Outcome::Ok(())
    });
    for index in 0..total / BATCH {
        journal.append(&pool[(index % 20) as usize]).await?;
    }
    reader.await??;
    figures.rate("journal_append_and_read_events_per_s", total, started)
}

/// Runs a query several times and notes the median and the slowest.
async fn time<T, F: AsyncFn(usize) -> Outcome<T>>(figures: &mut Figures, name: &str, query: F) -> Outcome<()> {
    let mut times = Vec::new();
    for run in 0..RUNS {
        let started = Instant::now();
        query(run).await?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    figures.add(&format!("lakehouse_{name}_p50_ms"), times[RUNS / 2])?;
    figures.add(&format!("lakehouse_{name}_max_ms"), times[RUNS - 1])
}

async fn measure_lakehouse(figures: &mut Figures, directory: &Path, total: u64, end: DateTime<Utc>) -> Outcome<()> {
    let store = Lakehouse::open("bench", lakehouse::Config::default(), directory).await?;
    let mut writing = std::time::Duration::ZERO;
    for start in (0..total).step_by(BATCH as usize) {
        let events = batch(start, total, end);
        let started = Instant::now();
        store.write(&events).await?;
        writing += started.elapsed();
    }
    figures.add("lakehouse_write_events_per_s", (total as f64 / writing.as_secs_f64()).round())?;
    let page = async |filter: EventFilter, cursor| -> Outcome<_> {
        let page = store.query(&EventQuery { filter, cursor, limit: 50 }).await?;
        Ok(page)
    };
    let fresh = event(total, total, end);
    let started = Instant::now();
    store.write(&[SharedEvent::new(fresh.clone())]).await?;
    let newest = page(EventFilter::default(), None).await?;
    let seen = newest.events.first().is_some_and(|event| event.id == fresh.id);
    figures.add("lakehouse_write_to_queryable_ms", started.elapsed().as_secs_f64() * 1000.0)?;
    if !seen {
        return Err("the newest event is not first".into());
    }
    let report = store.report();
    figures.add("lakehouse_files", report.files as f64)?;
    figures.add("lakehouse_bytes_per_event", report.file_bytes as f64 / report.file_events.max(1) as f64)?;
    time(figures, "first_page", async |_| page(EventFilter::default(), None).await).await?;
    let middle = event(total / 2, total, end);
    let deep = Some(parapet_event::Cursor { timestamp: middle.timestamp, id: middle.id });
    time(figures, "deep_page", async |_| page(EventFilter::default(), deep).await).await?;
    time(figures, "client_page", async |run| {
        let client_ip = Some(event(run as u64 * 7919 % total, total, end).client_ip);
        page(EventFilter { client_ip, ..EventFilter::default() }, None).await
    })
    .await?;
    time(figures, "rule_page", async |_| {
        page(EventFilter { rule_id: Some(942_100), ..EventFilter::default() }, None).await
    })
    .await?;
    time(figures, "rare_text_page", async |run| {
        let text = Some(format!("&PAGE={}", run as u64 * 7919 % total));
        page(EventFilter { text, ..EventFilter::default() }, None).await
    })
    .await?;
    time(figures, "get", async |run| {
        Ok(store.get(event(run as u64 * 7919 % total, total, end).id).await?.ok_or("an event is missing")?)
    })
    .await?;
    let count = async |group_by, filter, interval_seconds| -> Outcome<_> {
        Ok(store.aggregate(&AggregateQuery { filter, group_by, interval_seconds, limit: 20 }).await?)
    };
    time(figures, "classes_by_hour", async |_| count(GroupBy::AttackType, EventFilter::default(), Some(3600)).await)
        .await?;
    time(figures, "top_clients", async |_| count(GroupBy::ClientIp, EventFilter::default(), None).await).await?;
    let day = EventFilter {
        start_time: Some(end - Duration::days(1)),
        attack_type: Some(AttackClass::Sqli),
        ..EventFilter::default()
    };
    time(figures, "last_day_sqli_by_minute", async |_| count(GroupBy::Action, day.clone(), Some(60)).await).await
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let total = match std::env::args().nth(1).as_deref() {
        None => 1_000_000,
        Some(number) => number.parse::<u64>().map_err(|_| "usage: bench/embedded [NUMBER OF EVENTS]")?,
    };
    let scratch = tempfile::tempdir()?;
    let end = Utc::now();
    let mut figures = Figures::default();
    measure_journal(&mut figures, &scratch.path().join("journal"), total, end).await?;
    measure_lakehouse(&mut figures, &scratch.path().join("lakehouse"), total, end).await?;
    writeln!(std::io::stdout(), "{}", figures.json())?;
    Ok(())
}
