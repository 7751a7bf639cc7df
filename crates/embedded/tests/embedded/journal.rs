//! The journal as a whole: the conformance suite, restarts, damage and limits.

use parapet_embedded::STREAMS;
use parapet_embedded::journal::{Config, Journal, Sync, WhenFull};
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::suites::{sample_events, stream_suite};
use parapet_ports::{Entry, ErrorKind, EventStream, StreamConsumer};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_millis(50);

fn small() -> Config {
    Config { segment_bytes: 16 << 10, max_bytes: 64 << 10, cache_bytes: 0, ..Config::default() }
}

async fn open(directory: &Path, config: Config) -> Journal {
    Journal::open("test", config, directory).await.unwrap()
}

async fn drain(consumer: &mut dyn StreamConsumer) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let batch = consumer.read(64, WAIT).await.unwrap();
        if batch.is_empty() {
            return entries;
        }
        entries.extend(batch);
    }
}

/// Numbers of the samples behind the entries.
fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.event.origin.sequence - 1).collect()
}

fn files(directory: &Path, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().contains(part)).collect();
    found.sort();
    found
}

async fn suite_with(config: Config) {
    let scratch = tempfile::tempdir().unwrap();
    stream_suite(|name| {
        let (directory, config) = (scratch.path().join(&name), config.clone());
        async move {
            let stream: Arc<dyn EventStream> = Arc::new(Journal::open(&name, config, &directory).await.unwrap());
            stream
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_conforms_from_memory() {
    suite_with(Config::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_conforms_from_disk_over_many_segments() {
    suite_with(Config { max_bytes: 1 << 30, ..small() }).await;
}

#[tokio::test]
async fn the_registry_opens_a_journal_and_refuses_unknown_or_impossible_settings() {
    let scratch = tempfile::tempdir().unwrap();
    let plugin = find(&[STREAMS], "journal").unwrap();
    let settings = |text: &str| Settings { name: "spool".into(), table: text.parse().unwrap() };
    for (text, part) in [
        ("max_byte = 5", "max_byte"),
        ("max_bytes = 5", "max_bytes must be"),
        ("when_full = 'panic'", "drop-oldest"),
        ("sync_interval_ms = 0", "sync_interval_ms"),
    ] {
        let error = (plugin.check)(settings(text)).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.to_string().contains("spool"), "{error}");
    }
    let ready = (plugin.check)(settings("sync = 'always'\nwhen_full = 'drop-oldest'")).unwrap();
    let stream = ready.open(&Place { directory: scratch.path().join("new") }).await.unwrap();
    stream.append(&sample_events(0..1)).await.unwrap();
    assert_eq!(stream.lag("nobody").await.unwrap().unread, 1);
}

#[tokio::test]
async fn a_journal_cut_anywhere_in_its_last_record_keeps_all_records_before() {
    let scratch = tempfile::tempdir().unwrap();
    let original = scratch.path().join("original");
    let config = Config { sync: Sync::Never, ..Config::default() };
    let journal = open(&original, config.clone()).await;
    journal.append(&sample_events(0..3)).await.unwrap();
    let before = fs::metadata(&files(&original, ".segment")[0]).unwrap().len();
    journal.append(&sample_events(3..4)).await.unwrap();
    drop(journal);
    let bytes = fs::read(&files(&original, ".segment")[0]).unwrap();
    for cut in before as usize..bytes.len() {
        let directory = scratch.path().join(cut.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("00000000000000000001.segment"), &bytes[..cut]).unwrap();
        let journal = open(&directory, config.clone()).await;
        journal.append(&sample_events(9..10)).await.unwrap();
        let mut consumer = journal.consumer("all", "a").await.unwrap();
        let entries = consumer.read(100, WAIT).await.unwrap();
        assert_eq!(numbers(&entries), [0, 1, 2, 9], "cut at {cut}");
        let torn = cut > before as usize;
        assert_eq!(journal.report().damages.len(), usize::from(torn), "cut at {cut}");
        let kept = files(&directory, ".corrupt-");
        assert_eq!(kept.len(), usize::from(torn));
        if torn {
            assert_eq!(fs::read(&kept[0]).unwrap(), &bytes[before as usize..cut]);
        }
    }
}

#[tokio::test]
async fn damage_in_the_middle_loses_one_event_and_is_reported_once() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1 << 30, ..small() };
    let journal = open(scratch.path(), config.clone()).await;
    for batch in sample_events(0..60).chunks(10) {
        journal.append(batch).await.unwrap();
    }
    drop(journal);
    // One byte in the first segment, which is not the newest, and one in the newest.
    let segments = files(scratch.path(), ".segment");
    assert!(segments.len() >= 3, "{} segments", segments.len());
    for path in [&segments[0], &segments[segments.len() - 1]] {
        let mut bytes = fs::read(path).unwrap();
        bytes[100] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let journal = open(scratch.path(), config).await;
    for group in ["one", "two"] {
        let mut consumer = journal.consumer(group, "a").await.unwrap();
        assert_eq!(drain(&mut *consumer).await.len(), 58, "events of group {group}");
        let lag = journal.lag(group).await.unwrap();
        assert_eq!((lag.unread, lag.pending, lag.dropped), (0, 58, 2));
    }
    let report = journal.report();
    assert_eq!(report.damages.len(), 2);
    assert_eq!(report.lost, 4);
    assert_eq!(files(scratch.path(), ".corrupt-").len(), 2);
}

#[tokio::test]
async fn a_lost_tail_never_hides_new_events_from_a_group() {
    let scratch = tempfile::tempdir().unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    journal.append(&sample_events(0..10)).await.unwrap();
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    let entries = consumer.read(10, WAIT).await.unwrap();
    consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    drop((journal, consumer));
    let segment = &files(scratch.path(), ".segment")[0];
    fs::File::options().write(true).open(segment).unwrap().set_len(200).unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    journal.append(&sample_events(20..25)).await.unwrap();
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    assert_eq!(numbers(&drain(&mut *consumer).await), [20, 21, 22, 23, 24]);
}

#[tokio::test]
async fn a_full_journal_refuses_appends_until_something_is_acknowledged() {
    let scratch = tempfile::tempdir().unwrap();
    let journal = open(scratch.path(), small()).await;
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    let mut appended = 0;
    let error = loop {
        match journal.append(&sample_events(appended..appended + 5)).await {
            Ok(()) => appended += 5,
            Err(error) => break error,
        }
        assert!(appended < 1000, "the limit was never reached");
    };
    assert_eq!(error.kind, ErrorKind::Full);
    assert!(error.to_string().contains("max_bytes"), "{error}");
    assert!(journal.report().bytes <= 64 << 10);
    let entries = consumer.read(appended as usize, WAIT).await.unwrap();
    assert_eq!(entries.len() as u64, appended, "a refused batch left something behind");
    consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    journal.append(&sample_events(appended..appended + 5)).await.unwrap();
    assert_eq!(drain(&mut *consumer).await.len(), 5);
    assert_eq!(journal.report().dropped, 0);
}

#[tokio::test]
async fn dropping_the_oldest_is_counted_exactly() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { when_full: WhenFull::DropOldest, ..small() };
    let journal = open(scratch.path(), config.clone()).await;
    let mut slow = journal.consumer("slow", "a").await.unwrap();
    let mut quick = journal.consumer("quick", "a").await.unwrap();
    let first = sample_events(0..20);
    journal.append(&first).await.unwrap();
    let done = slow.read(8, WAIT).await.unwrap();
    slow.acknowledge(&done.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    let mut seen_by_quick = 0;
    for start in (20..400).step_by(20) {
        journal.append(&sample_events(start..start + 20)).await.unwrap();
        let entries = quick.read(1000, WAIT).await.unwrap();
        seen_by_quick += entries.len();
        quick.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    }
    assert_eq!(seen_by_quick, 400, "a group that keeps up loses nothing");
    let lag = journal.lag("slow").await.unwrap();
    let left = drain(&mut *slow).await;
    assert!(lag.dropped > 0);
    assert_eq!(8 + lag.dropped + left.len() as u64, 400, "acknowledged + dropped + left");
    assert_eq!(journal.report().dropped, lag.dropped);
    assert!(journal.report().bytes <= 64 << 10);
    drop((journal, slow, quick));
    let journal = open(scratch.path(), config).await;
    assert_eq!(journal.lag("slow").await.unwrap().dropped, lag.dropped, "the count survives a restart");
}

#[tokio::test]
async fn acknowledged_segments_are_deleted_and_counted_as_trimmed() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1 << 30, ..small() };
    let journal = open(scratch.path(), config).await;
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    for batch in sample_events(0..200).chunks(20) {
        journal.append(batch).await.unwrap();
    }
    let segments = files(scratch.path(), ".segment").len();
    assert!(segments > 3);
    let entries = drain(&mut *consumer).await;
    consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    for _ in 0..100 {
        if files(scratch.path(), ".segment").len() == 1 {
            break;
        }
        tokio::time::sleep(WAIT).await;
    }
    assert_eq!(files(scratch.path(), ".segment").len(), 1);
    let report = journal.report();
    assert_eq!(report.dropped, 0);
    assert!(report.trimmed > 100 && report.trimmed <= 200, "trimmed {}", report.trimmed);
}

#[tokio::test]
async fn retention_keeps_acknowledged_segments() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1 << 30, retain_seconds: 3600, ..small() };
    let journal = open(scratch.path(), config).await;
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    journal.append(&sample_events(0..50)).await.unwrap();
    journal.append(&sample_events(50..100)).await.unwrap();
    let entries = drain(&mut *consumer).await;
    consumer.acknowledge(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await.unwrap();
    tokio::time::sleep(WAIT * 8).await;
    let mut late = journal.consumer("late", "a").await.unwrap();
    assert_eq!(drain(&mut *late).await.len(), 100);
}

#[tokio::test]
async fn a_damaged_state_file_is_set_aside_and_everything_is_delivered_again() {
    let scratch = tempfile::tempdir().unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    journal.append(&sample_events(0..5)).await.unwrap();
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    let entries = drain(&mut *consumer).await;
    consumer.acknowledge(&[entries[0].id]).await.unwrap();
    drop((journal, consumer));
    fs::write(scratch.path().join("groups.json"), b"{\"version\":1,").unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    let mut consumer = journal.consumer("work", "a").await.unwrap();
    assert_eq!(numbers(&drain(&mut *consumer).await), [0, 1, 2, 3, 4]);
    assert_eq!(files(scratch.path(), "groups.json.0.corrupt-").len(), 1);
}

#[tokio::test]
async fn a_journal_of_a_newer_release_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("groups.json"), br#"{"version":99,"trimmed":0,"dropped":0,"lost":0,"groups":{}}"#)
        .unwrap();
    let error = Journal::open("test", Config::default(), scratch.path()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.to_string().contains("newer release"), "{error}");
}

#[tokio::test]
async fn delivery_counts_survive_an_orderly_restart() {
    let scratch = tempfile::tempdir().unwrap();
    for deliveries in 1..=3 {
        let journal = open(scratch.path(), Config::default()).await;
        if deliveries == 1 {
            journal.append(&sample_events(0..2)).await.unwrap();
        }
        let mut consumer = journal.consumer("work", "a").await.unwrap();
        let entries = consumer.read(10, WAIT).await.unwrap();
        let seen: BTreeSet<_> = entries.iter().map(|entry| entry.deliveries).collect();
        assert_eq!(seen, BTreeSet::from([deliveries]));
    }
}

#[tokio::test]
async fn an_empty_segment_left_by_a_failed_rotation_hides_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    journal.append(&sample_events(0..10)).await.unwrap();
    drop(journal);
    fs::write(scratch.path().join("00000000000000000005.segment"), b"").unwrap();
    let journal = open(scratch.path(), Config::default()).await;
    journal.append(&sample_events(10..12)).await.unwrap();
    let mut consumer = journal.consumer("all", "a").await.unwrap();
    assert_eq!(drain(&mut *consumer).await.len(), 12);
    assert_eq!(files(scratch.path(), ".segment").len(), 1);
}
