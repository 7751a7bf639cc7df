//! A process that is killed at a random moment loses nothing it acknowledged and duplicates nothing.
//!
//! The child is this test binary again, running only the test that writes; it prints a number after
//! each acknowledged batch.

use parapet_embedded::journal::{self, Journal};
use parapet_embedded::lakehouse::{self, Lakehouse};
use parapet_event::{EventFilter, EventQuery};
use parapet_ports::suites::{Random, sample_event, sample_events};
use parapet_ports::{EventStore, EventStream};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DIRECTORY: &str = "PARAPET_TEST_CHILD_DIRECTORY";
const START: &str = "PARAPET_TEST_CHILD_START";
const BATCH: u64 = 7;
const ROUNDS: u32 = 6;

fn journal_config() -> journal::Config {
    journal::Config { segment_bytes: 64 << 10, max_bytes: 1 << 30, ..journal::Config::default() }
}

fn lakehouse_config() -> lakehouse::Config {
    lakehouse::Config { flush_events: 60, compact_files: 3, query_threads: 1, ..lakehouse::Config::default() }
}

/// What the child is to do; `None` in an ordinary test run.
fn assignment() -> Option<(PathBuf, u64)> {
    let directory = std::env::var_os(DIRECTORY)?;
    Some((directory.into(), std::env::var(START).ok()?.parse().ok()?))
}

fn say(word: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{word} {number}").unwrap();
    out.flush().unwrap();
}

/// Runs `test` of this binary as a child until it is killed. Returns the numbers it said per word.
fn run_and_kill(test: &str, directory: &Path, start: u64, after: Duration) -> BTreeMap<String, Vec<u64>> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(START, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = BTreeMap::<String, Vec<u64>>::new();
    let mut first = None;
    while let Some(Ok(line)) = lines.next() {
        if let Some((word, number)) = line.split_once(' ')
            && let Ok(number) = number.parse()
        {
            said.entry(word.to_owned()).or_default().push(number);
            let since: &mut Instant = first.get_or_insert_with(Instant::now);
            if since.elapsed() >= after {
                // Lines that are on their way are still read until the pipe ends.
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(said.contains_key("wrote"), "the child wrote nothing");
    said
}

fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
}

#[tokio::test]
async fn child_appends_to_a_journal_until_it_is_killed() {
    let Some((directory, start)) = assignment() else { return };
    let journal = Journal::open("test", journal_config(), &directory).await.unwrap();
    let mut consumer = journal.consumer("work", "child").await.unwrap();
    journal.consumer("audit", "child").await.unwrap();
    for first in (start..).step_by(BATCH as usize) {
        journal.append(&sample_events(first..first + BATCH)).await.unwrap();
        say("wrote", first + BATCH - 1);
        if first % 3 == 0 {
            let entries = consumer.read(11, Duration::from_millis(1)).await.unwrap();
            entries.iter().for_each(|entry| say("handled", entry.event.origin.sequence - 1));
            consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_journal_has_every_appended_event_once_and_redelivers_what_was_open() {
    let scratch = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed());
    let (mut acknowledged, mut handled) = (0, BTreeSet::new());
    for _ in 0..ROUNDS {
        let start = acknowledged;
        let after = Duration::from_millis(random.below(400));
        let said = run_and_kill("killed::child_appends_to_a_journal_until_it_is_killed", scratch.path(), start, after);
        acknowledged = said["wrote"].last().unwrap() + 1;
        handled.extend(said.get("handled").into_iter().flatten().copied());
        let journal = Journal::open("test", journal_config(), scratch.path()).await.unwrap();
        // The batch whose append never returned may be there, in part or whole; the next round starts
        // behind it.
        let mut audit = journal.consumer(&format!("audit-{start}"), "parent").await.unwrap();
        let mut seen = Vec::new();
        loop {
            let entries = audit.read(1000, Duration::ZERO).await.unwrap();
            if entries.is_empty() {
                break;
            }
            seen.extend(entries.iter().map(|entry| entry.event.origin.sequence - 1));
        }
        let unique: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len(), "an event is in the journal twice");
        let missing: Vec<_> = (0..acknowledged).filter(|number| !unique.contains(number)).collect();
        assert!(missing.is_empty(), "appended events are missing: {missing:?}");
        acknowledged = unique.last().unwrap() + 1;
    }
    let journal = Journal::open("test", journal_config(), scratch.path()).await.unwrap();
    let mut work = journal.consumer("work", "parent").await.unwrap();
    loop {
        let entries = work.read(1000, Duration::ZERO).await.unwrap();
        if entries.is_empty() {
            break;
        }
        handled.extend(entries.iter().map(|entry| entry.event.origin.sequence - 1));
    }
    let never: Vec<_> = (0..acknowledged).filter(|number| !handled.contains(number)).collect();
    assert!(never.is_empty(), "events were never delivered to the group: {never:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_to_a_lakehouse_until_it_is_killed() {
    let Some((directory, start)) = assignment() else { return };
    let store = Lakehouse::open("test", lakehouse_config(), &directory).await.unwrap();
    for first in (start..).step_by(BATCH as usize) {
        // Each batch is written twice, as after a redelivery.
        store.write(&sample_events(first..first + BATCH)).await.unwrap();
        say("wrote", first + BATCH - 1);
        store.write(&sample_events(first..first + BATCH)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_lakehouse_has_every_written_event_once() {
    let scratch = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed());
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let after = Duration::from_millis(random.below(1500));
        let test = "killed::child_writes_to_a_lakehouse_until_it_is_killed";
        let said = run_and_kill(test, scratch.path(), acknowledged, after);
        acknowledged = said["wrote"].last().unwrap() + 1;
        let store = Lakehouse::open("test", lakehouse_config(), scratch.path()).await.unwrap();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let query = EventQuery { filter: EventFilter::default(), cursor, limit: 1000 };
            let page = store.query(&query).await.unwrap();
            seen.extend(page.events.iter().map(|event| event.origin.sequence - 1));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let unique: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len(), "an event is in the store twice");
        let missing: Vec<_> = (0..acknowledged).filter(|number| !unique.contains(number)).collect();
        assert!(missing.is_empty(), "written events are missing: {missing:?}");
        assert!(unique.range(acknowledged + BATCH..).next().is_none(), "an event came from nowhere");
        let sample = sample_event(random.below(acknowledged));
        assert_eq!(store.get(sample.id).await.unwrap(), Some(sample));
        assert!(store.report().damages.is_empty());
    }
}
