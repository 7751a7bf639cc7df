//! What holds when servers and consumers are killed.

use crate::support::{LONG, acknowledge, open, read_exactly};
use parapet_ports::suites::sample_events;
use parapet_ports::{Entry, ErrorKind, EventStream};
use parapet_services::{Kafka, Redis};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BATCH: u64 = 20;
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn redis_killed_in_the_middle_loses_no_confirmed_event() {
    let test = "redis_killed_in_the_middle_loses_no_confirmed_event";
    let Some(mut server) = Redis::start(test, &[]) else { return };
    let table = format!("addresses = [\"{}\"]\ntimeout_ms = 1000", server.address());
    let kill = |server: &mut Redis| server.kill();
    outlive(&open("redis", &table).await, &mut server, kill, Redis::restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn kafka_killed_in_the_middle_loses_no_confirmed_event() {
    let Some(mut broker) = Kafka::start("kafka_killed_in_the_middle_loses_no_confirmed_event") else { return };
    let table = format!("brokers = [\"{}\"]\npartitions = 2\ntimeout_ms = 2000", broker.address());
    let kill = |broker: &mut Kafka| broker.kill();
    outlive(&open("kafka", &table).await, &mut broker, kill, Kafka::restart).await;
}

/// Appends and reads all the time while the server is killed and started again.
async fn outlive<S>(stream: &Arc<dyn EventStream>, server: &mut S, kill: fn(&mut S), restart: fn(&mut S)) {
    let (confirmed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn(write(Arc::clone(stream), Arc::clone(&confirmed), Arc::clone(&stop)));
    let reader = tokio::spawn(read(Arc::clone(stream), Arc::clone(&confirmed), Arc::clone(&stop)));
    reach(&confirmed, 20 * BATCH).await;
    tokio::task::block_in_place(|| kill(server));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = confirmed.load(Ordering::SeqCst);
    tokio::task::block_in_place(|| restart(server));
    reach(&confirmed, before + 20 * BATCH).await;
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 0, "the writer never heard that the server was away");
    assert!(reader.await.unwrap() > 0, "the reader never heard that the server was away");
    let deadline = Instant::now() + LONG;
    loop {
        let lag = stream.lag("g").await.unwrap();
        if (lag.unread, lag.pending) == (0, 0) {
            assert!(lag.appended >= confirmed.load(Ordering::SeqCst) && lag.dropped == 0, "{lag:?}");
            return;
        }
        assert!(Instant::now() < deadline, "what was acknowledged still counts as open: {lag:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn reach(confirmed: &AtomicU64, count: u64) {
    let deadline = Instant::now() + 2 * LONG;
    while confirmed.load(Ordering::SeqCst) < count {
        assert!(Instant::now() < deadline, "appending does not go on");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Appends batch after batch, each until it is confirmed; returns how often the stream was away.
async fn write(stream: Arc<dyn EventStream>, confirmed: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> u32 {
    let mut away = 0;
    let mut next = 0;
    while !stop.load(Ordering::SeqCst) {
        match stream.append(&sample_events(next..next + BATCH)).await {
            Ok(()) => {
                next += BATCH;
                confirmed.store(next, Ordering::SeqCst);
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
                away += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    away
}

/// Reads until it has seen everything confirmed; returns how often the stream was away.
async fn read(stream: Arc<dyn EventStream>, confirmed: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> u32 {
    let (mut away, mut seen, mut deadline) = (0, BTreeSet::new(), None);
    // The server may have been killed before this member joins.
    let mut consumer = loop {
        match stream.consumer("g", "a").await {
            Ok(consumer) => break consumer,
            Err(error) if error.kind == ErrorKind::Unavailable => {
                away += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => panic!("the group cannot be joined: {error}"),
        }
    };
    loop {
        let mut entries = consumer.read(100, Duration::from_millis(200)).await;
        if entries.as_ref().is_ok_and(Vec::is_empty) {
            // An answer that was lost on the way left its entries with this consumer.
            entries = consumer.reclaim(Duration::from_secs(1), 100).await;
        }
        match entries {
            Ok(entries) => {
                seen.extend(entries.iter().map(|entry| entry.event.origin.sequence));
                let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
                while consumer.acknowledge(&ids).await.is_err() {
                    away += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                if entries.is_empty() && stop.load(Ordering::SeqCst) {
                    let missing = (1..=confirmed.load(Ordering::SeqCst)).find(|number| !seen.contains(number));
                    let Some(missing) = missing else { return away };
                    let deadline = *deadline.get_or_insert(Instant::now() + LONG);
                    assert!(Instant::now() < deadline, "event {missing} was confirmed and never arrived");
                }
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
                away += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

const CHILD: &str = "PARAPET_TEST_CHILD_STREAM";

/// The other process: reads ten entries, acknowledges three, and waits to be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_reads_and_is_killed() {
    let Ok(assignment) = std::env::var(CHILD) else { return };
    let (kind, table) = assignment.split_once('\n').unwrap();
    let stream = open(kind, table).await;
    let mut consumer = stream.consumer("g", "child").await.unwrap();
    let entries = read_exactly(&mut *consumer, 10).await;
    acknowledge(&mut *consumer, &entries[..3]).await;
    // Acknowledgements may be written together with others, a little later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    writeln!(std::io::stdout(), "\nread").unwrap();
    std::future::pending::<()>().await;
}

async fn take_over(kind: &str, table: &str) {
    let stream = open(kind, table).await;
    stream.append(&sample_events(0..50)).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::child_reads_and_is_killed", "--nocapture"])
        .env(CHILD, format!("{kind}\n{table}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).any(|line| line == "read");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said, "the child did not read");
    let mut consumer = stream.consumer("g", "parent").await.unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    let deadline = Instant::now() + 2 * LONG;
    while entries.len() < 47 {
        assert!(Instant::now() < deadline, "only {} of 47 entries came over", entries.len());
        entries.extend(consumer.read(100, Duration::from_millis(200)).await.unwrap());
        let left_behind = consumer.reclaim(Duration::from_millis(500), 100).await.unwrap();
        acknowledge(&mut *consumer, &left_behind).await;
        entries.extend(left_behind.into_iter().filter(|entry| entry.event.origin.sequence <= 10));
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        consumer.acknowledge(&ids).await.unwrap();
    }
    let mut numbers: Vec<_> = entries.iter().map(|entry| entry.event.origin.sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (4..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_redis_consumer_had_open_goes_to_another() {
    let Some(server) = Redis::start("what_a_killed_redis_consumer_had_open_goes_to_another", &[]) else { return };
    take_over("redis", &format!("addresses = [\"{}\"]", server.address())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_kafka_member_had_open_goes_to_another() {
    let test = "what_a_killed_kafka_member_had_open_goes_to_another";
    let Some(broker) = crate::kafka::broker(test) else { return };
    let more = "topic = \"killed\"\npartitions = 1\nsession_timeout_ms = 2000";
    take_over("kafka", &format!("brokers = [\"{}\"]\n{more}", broker.address())).await;
}
