//! The lakehouse as a whole: the conformance suite in memory, in files and in between; damage,
//! crashes between steps, limits.

use chrono::{Datelike, Duration, Utc};
use parapet_embedded::STORES;
use parapet_embedded::lakehouse::{Config, Lakehouse};
use parapet_event::{AggregateQuery, EventFilter, EventQuery, GroupBy, SecurityEvent};
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::suites::{Model, Random, sample_event, sample_events, sample_filter, store_suite};
use parapet_ports::{ErrorKind, EventStore, SharedEvent};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ulid::Ulid;

async fn open(directory: &Path, config: Config) -> Lakehouse {
    Lakehouse::open("test", config, directory).await.unwrap()
}

/// Flushes after every few events and merges early.
fn eager() -> Config {
    Config { flush_events: 20, compact_files: 3, query_threads: 2, ..Config::default() }
}

async fn suite_with(config: Config) {
    let scratch = tempfile::tempdir().unwrap();
    store_suite(|name| {
        let (directory, config) = (scratch.path().join(&name), config.clone());
        async move {
            let store: Arc<dyn EventStore> = Arc::new(Lakehouse::open(&name, config, &directory).await.unwrap());
            store
        }
    })
    .await;
}

async fn all(store: &dyn EventStore, limit: usize) -> Vec<SecurityEvent> {
    let (mut events, mut cursor) = (Vec::new(), None);
    loop {
        let query = EventQuery { filter: EventFilter::default(), cursor, limit };
        let page = store.query(&query).await.unwrap();
        events.extend(page.events);
        cursor = page.next;
        if cursor.is_none() {
            return events;
        }
    }
}

fn parquet_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for day in fs::read_dir(directory.join("data")).unwrap() {
        found.extend(fs::read_dir(day.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lakehouse_conforms_in_memory() {
    suite_with(Config { query_threads: 2, ..Config::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lakehouse_conforms_while_it_flushes_and_merges() {
    suite_with(eager()).await;
}

#[tokio::test]
async fn the_registry_opens_a_lakehouse_and_refuses_unknown_or_impossible_settings() {
    let scratch = tempfile::tempdir().unwrap();
    let plugin = find(&[STORES], "lakehouse").unwrap();
    let settings = |text: &str| Settings { name: "history".into(), table: text.parse().unwrap() };
    for (text, part) in [("flush_event = 5", "flush_event"), ("max_queries = 0", "max_queries must lie")] {
        let error = (plugin.check)(settings(text)).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.to_string().contains(part), "{error}");
    }
    let ready = (plugin.check)(settings("retain_days = 30")).unwrap();
    let store = ready.open(&Place { directory: scratch.path().join("new") }).await.unwrap();
    assert_eq!(store.get(Ulid::nil()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_over_memory_and_files_equal_the_model() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config { query_threads: 2, ..Config::default() }).await;
    let mut model = Model::default();
    let mut random = Random::new(7);
    for round in 0..5u64 {
        let events = sample_events(round * 80..round * 80 + 80);
        store.write(&events).await.unwrap();
        model.write(&events);
        if round != 4 {
            store.flush().await.unwrap();
        }
        if round == 2 {
            store.compact().await.unwrap();
        }
    }
    assert!(store.report().hot_events > 0 && store.report().files > 3);
    for _ in 0..25 {
        let filter = sample_filter(&mut random);
        let limit = 1 + random.below(40) as usize;
        let (mut cursor, mut pages) = (None, 0);
        loop {
            let query = EventQuery { filter: filter.clone(), cursor, limit };
            let page = store.query(&query).await.unwrap();
            assert_eq!(page, model.query(&query), "{query:?}");
            cursor = page.next;
            pages += 1;
            if cursor.is_none() || pages == 4 {
                break;
            }
        }
        let query = AggregateQuery { filter, group_by: GroupBy::ClientIp, interval_seconds: Some(7200), limit };
        assert_eq!(store.aggregate(&query).await.unwrap(), model.aggregate(&query), "{query:?}");
    }
    for event in model.events().iter().step_by(37) {
        assert_eq!(store.get(event.id).await.unwrap().as_ref(), Some(&**event));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_keeps_every_event_once_and_leaves_fewer_files() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { compact_files: 3, query_threads: 2, ..Config::default() };
    let store = open(scratch.path(), config.clone()).await;
    for start in (0..300).step_by(50) {
        store.write(&sample_events(start..start + 50)).await.unwrap();
        store.flush().await.unwrap();
    }
    let before = parquet_files(scratch.path()).len();
    assert_eq!(before, 18, "six flushes over three days");
    store.compact().await.unwrap();
    let after = parquet_files(scratch.path()).len();
    assert_eq!(after as u64, store.report().files, "replaced files are deleted");
    assert!(after <= 9, "{after} files after merging");
    assert_eq!(all(&store, 1000).await.len(), 300);
    drop(store);
    let store = open(scratch.path(), config).await;
    assert_eq!(all(&store, 77).await.len(), 300);
    store.write(&sample_events(0..300)).await.unwrap();
    assert_eq!(store.report().duplicates, 300, "ids in merged files are known");
}

/// Events of one day, so that a flush makes one file of them; enough that files are merged by row groups.
fn one_large_file(number: u64) -> Vec<SharedEvent> {
    const EVENTS: u64 = 16_400;
    let mut events = sample_events(number * EVENTS..(number + 1) * EVENTS);
    for event in &mut events {
        let event = event.make_mut();
        event.timestamp = event.timestamp.with_day(2).unwrap();
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_are_merged_by_row_groups_but_for_damaged_ones() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { query_threads: 2, ..Config::default() };
    let store = open(scratch.path(), config.clone()).await;
    let mut expected = Vec::new();
    for number in 0..4 {
        let events = one_large_file(number);
        store.write(&events).await.unwrap();
        store.flush().await.unwrap();
        expected.extend(events);
    }
    drop(store);
    let files = parquet_files(scratch.path());
    assert_eq!(files.len(), 4);
    // One bit, where no decoder would notice it: in the text of an event.
    let mut bytes = fs::read(&files[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&files[1], bytes).unwrap();
    let damaged = expected.len() / 4;
    expected.drain(damaged..2 * damaged);

    let store = open(scratch.path(), Config { compact_files: 3, ..config }).await;
    store.compact().await.unwrap();
    let report = store.report();
    assert_eq!((report.files, report.file_events), (1, expected.len() as u64));
    assert_eq!(report.damages.len(), 1, "the damaged file was set aside by itself");
    let filter = EventFilter { client_ip: Some(expected[0].client_ip), ..EventFilter::default() };
    let query = AggregateQuery { filter: filter.clone(), group_by: GroupBy::Site, interval_seconds: None, limit: 10 };
    let counted: u64 = store.aggregate(&query).await.unwrap().iter().map(|bucket| bucket.count).sum();
    let of_client = expected.iter().filter(|event| event.client_ip == expected[0].client_ip).count();
    assert_eq!(counted, of_client as u64, "the Bloom filters and statistics of the row groups are right");
    let page = store.query(&EventQuery { filter: EventFilter::default(), cursor: None, limit: 1000 }).await.unwrap();
    expected.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.id)));
    assert!(page.events.iter().zip(&expected).all(|(found, event)| found.id == event.id), "newest first");
    for event in expected.iter().step_by(5_000) {
        assert_eq!(store.get(event.id).await.unwrap().as_ref(), Some(&**event));
    }
    store.write(&one_large_file(2)).await.unwrap();
    assert_eq!(store.report().duplicates, damaged as u64, "ids in merged files are known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_or_after_publishing_neither_loses_nor_duplicates() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("store");
    let store = open(&directory, Config::default()).await;
    store.write(&sample_events(0..30)).await.unwrap();
    drop(store);
    let logged = scratch.path().join("logged");
    copy_tree(&directory, &logged);
    let store = open(&directory, Config::default()).await;
    store.flush().await.unwrap();
    drop(store);
    // After publishing, before the log was deleted: the old log is still there.
    copy_tree(&logged.join("wal"), &directory.join("wal"));
    let store = open(&directory, Config::default()).await;
    assert_eq!(all(&store, 100).await.len(), 30);
    assert_eq!(store.report().hot_events, 0);
    drop(store);
    // Before publishing: Parquet files without a manifest that names them.
    copy_tree(&directory.join("data"), &logged.join("data"));
    fs::remove_file(logged.join("manifest.json")).ok();
    fs::write(logged.join("manifest.json"), br#"{"version":1,"flushed":0,"floor":-9223372036854775808,"files":[]}"#)
        .unwrap();
    let store = open(&logged, Config::default()).await;
    assert_eq!(all(&store, 100).await.len(), 30);
    assert_eq!(parquet_files(&logged).len(), 0, "leftovers are deleted");
}

#[tokio::test]
async fn what_queries_of_a_killed_process_spilled_is_deleted() {
    let scratch = tempfile::tempdir().unwrap();
    let left = scratch.path().join("spill/left");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("rows"), b"rows").unwrap();
    let store = open(scratch.path(), Config::default()).await;
    assert!(!left.exists());
    store.write(&sample_events(0..3)).await.unwrap();
    assert_eq!(all(&store, 10).await.len(), 3);
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_quarantined_and_the_rest_still_answers() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config::default()).await;
    for start in (0..90).step_by(30) {
        store.write(&sample_events(start..start + 30)).await.unwrap();
        store.flush().await.unwrap();
    }
    drop(store);
    let files = parquet_files(scratch.path());
    let mut bytes = fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 4;
    bytes[4..middle].fill(0xAA);
    fs::write(&files[0], bytes).unwrap();
    let store = open(scratch.path(), Config::default()).await;
    let left = all(&store, 1000).await.len();
    assert!((30..90).contains(&left), "{left} events left");
    let report = store.report();
    assert_eq!(report.damages.len(), 1);
    assert_eq!(report.file_events as usize, left);
    assert!(report.damages[0].kept.as_ref().unwrap().exists());
    // The events of the damaged file can be written again.
    store.write(&sample_events(0..90)).await.unwrap();
    assert_eq!(all(&store, 1000).await.len(), 90);
}

#[tokio::test]
async fn a_cut_or_missing_file_is_found_when_the_store_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config::default()).await;
    store.write(&sample_events(0..60)).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let files = parquet_files(scratch.path());
    fs::remove_file(&files[0]).unwrap();
    fs::File::options().write(true).open(&files[1]).unwrap().set_len(100).unwrap();
    let store = open(scratch.path(), Config::default()).await;
    assert_eq!(store.report().damages.len(), 2);
    assert_eq!(store.report().files, 1);
    assert!(!all(&store, 1000).await.is_empty());
}

#[tokio::test]
async fn a_lost_manifest_is_rebuilt_from_the_files() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config { compact_files: 2, ..Config::default() }).await;
    for start in [0, 30] {
        store.write(&sample_events(start..start + 30)).await.unwrap();
        store.flush().await.unwrap();
    }
    store.compact().await.unwrap();
    store.write(&sample_events(60..70)).await.unwrap();
    drop(store);
    fs::write(scratch.path().join("manifest.json"), b"not json").unwrap();
    let store = open(scratch.path(), Config::default()).await;
    assert_eq!(all(&store, 1000).await.len(), 70);
    assert_eq!(store.report().damages.len(), 1);
    assert_eq!(store.report().hot_events, 10);
}

#[tokio::test]
async fn a_torn_log_gives_back_every_whole_event() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config::default()).await;
    store.write(&sample_events(0..20)).await.unwrap();
    drop(store);
    let log = fs::read_dir(scratch.path().join("wal")).unwrap().next().unwrap().unwrap().path();
    let length = fs::metadata(&log).unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(length - 10).unwrap();
    let store = open(scratch.path(), Config::default()).await;
    assert_eq!(all(&store, 1000).await.len(), 19);
    assert_eq!(store.report().damages.len(), 1);
    store.write(&sample_events(0..20)).await.unwrap();
    assert_eq!(all(&store, 1000).await.len(), 20);
}

#[tokio::test]
async fn events_beyond_the_configured_age_are_deleted_and_not_taken_again() {
    let scratch = tempfile::tempdir().unwrap();
    let recent = |number: u64| {
        let mut event = sample_event(number);
        event.timestamp = Utc::now() - Duration::hours(1);
        event.id = Ulid::from_parts(event.timestamp.timestamp_millis() as u64, u128::from(number));
        SharedEvent::new(event)
    };
    let young = [recent(30), recent(31)];
    let store = open(scratch.path(), Config::default()).await;
    store.write(&sample_events(0..30)).await.unwrap();
    store.write(&young).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let store = open(scratch.path(), Config { retain_days: 2, ..Config::default() }).await;
    for _ in 0..100 {
        if store.report().files == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let left: HashSet<_> = all(&store, 1000).await.into_iter().map(|event| event.id).collect();
    assert_eq!(left, young.iter().map(|event| event.id).collect());
    store.write(&sample_events(0..5)).await.unwrap();
    assert_eq!(store.report().expired, 5);
    assert_eq!(all(&store, 1000).await.len(), 2);
}

#[tokio::test]
async fn the_oldest_files_go_when_the_size_limit_is_reached() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { flush_events: 50, retain_bytes: 40_000, ..Config::default() };
    let store = open(scratch.path(), config).await;
    let newest = sample_events(0..1000).iter().map(|event| event.timestamp).max();
    for start in (0..1000).step_by(50) {
        store.write(&sample_events(start..start + 50)).await.unwrap();
        store.flush().await.unwrap();
    }
    store.write(&sample_events(1000..1050)).await.unwrap();
    for _ in 0..100 {
        if store.report().file_bytes <= 40_000 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(store.report().file_bytes <= 40_000);
    let left = all(&store, 1000).await;
    assert!(!left.is_empty() && left.len() < 1000);
    assert!(left[0].timestamp >= newest.unwrap(), "the newest events are kept");
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("manifest.json"), br#"{"version":9,"flushed":0,"floor":0,"files":[]}"#).unwrap();
    let error = Lakehouse::open("test", Config::default(), scratch.path()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_query_with_too_many_counts_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path(), Config::default()).await;
    store.write(&sample_events(0..5)).await.unwrap();
    let query =
        AggregateQuery { filter: EventFilter::default(), group_by: GroupBy::Site, interval_seconds: Some(0), limit: 5 };
    assert_eq!(store.aggregate(&query).await.unwrap_err().kind, ErrorKind::Rejected);
}
