//! What every [`EventStream`] must do.

use super::sample::sample_events;
use crate::SharedEvent;
use crate::stream::{Entry, EventStream, StreamConsumer};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// Runs every check against streams opened by `open`, which gets a name for each; opening a name
/// again must give the same stream.
///
/// # Panics
/// On the first violation.
pub async fn stream_suite<F, Fut>(open: F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn EventStream>>,
{
    events_come_back_whole_and_in_order(open("order".into()).await).await;
    every_group_sees_every_event(open("groups".into()).await).await;
    members_share_the_entries(open("members".into()).await).await;
    reading_waits_for_the_first_entry(open("waiting".into()).await).await;
    reclaim_takes_only_idle_entries(open("reclaim".into()).await).await;
    lag_adds_up(open("lag".into()).await).await;
    a_cancelled_read_loses_nothing(open("cancelled".into()).await).await;
    concurrent_appends_all_arrive(open("concurrent".into()).await).await;
    what_was_not_acknowledged_survives_a_restart(&open).await;
}

async fn join(stream: &Arc<dyn EventStream>, group: &str, member: &str) -> Box<dyn StreamConsumer> {
    stream.consumer(group, member).await.expect("joining a group")
}

async fn append(stream: &Arc<dyn EventStream>, events: &[SharedEvent]) {
    stream.append(events).await.expect("appending");
}

/// Reads until `count` entries arrived; fails after a while.
async fn read_exactly(consumer: &mut dyn StreamConsumer, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let batch = consumer.read(count - entries.len(), LONG).await.expect("reading");
        assert!(!batch.is_empty(), "only {} of {count} entries arrived", entries.len());
        entries.extend(batch);
    }
    entries
}

fn assert_same(entries: &[Entry], events: &[SharedEvent]) {
    assert_eq!(entries.len(), events.len(), "number of entries");
    for (entry, event) in entries.iter().zip(events) {
        assert_eq!(&*entry.event, &**event, "an event came back changed or out of order");
    }
}

async fn events_come_back_whole_and_in_order(stream: Arc<dyn EventStream>) {
    let events = sample_events(0..250);
    append(&stream, &[]).await;
    for batch in events.chunks(60) {
        append(&stream, batch).await;
    }
    let mut consumer = join(&stream, "one", "a").await;
    let entries = read_exactly(&mut *consumer, 250).await;
    assert_same(&entries, &events);
    assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id), "ids are not ascending");
    assert!(entries.iter().all(|entry| entry.deliveries == 1), "a first delivery is not counted as 1");
    let more = consumer.read(10, Duration::ZERO).await.expect("reading at the end");
    assert!(more.is_empty(), "an entry was delivered twice to the same group");
}

async fn every_group_sees_every_event(stream: Arc<dyn EventStream>) {
    let events = sample_events(0..20);
    append(&stream, &events[..10]).await;
    for group in ["first", "second"] {
        let mut consumer = join(&stream, group, "a").await;
        let entries = read_exactly(&mut *consumer, 10).await;
        assert_same(&entries, &events[..10]);
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        consumer.acknowledge(&ids).await.expect("acknowledging");
    }
    append(&stream, &events[10..]).await;
    for group in ["first", "second"] {
        let mut consumer = join(&stream, group, "a").await;
        assert_same(&read_exactly(&mut *consumer, 10).await, &events[10..]);
    }
}

async fn members_share_the_entries(stream: Arc<dyn EventStream>) {
    append(&stream, &sample_events(0..100)).await;
    let mut one = join(&stream, "shared", "one").await;
    let mut two = join(&stream, "shared", "two").await;
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + LONG;
    while seen.len() < 100 {
        assert!(Instant::now() < deadline, "only {} of 100 entries were seen by both members together", seen.len());
        let first = one.read(7, SHORT).await.expect("reading");
        let second = two.read(11, SHORT).await.expect("reading");
        for entry in first.iter().chain(&second) {
            assert!(seen.insert(entry.id), "two members got the same entry");
        }
    }
    for member in [&mut one, &mut two] {
        assert!(member.read(7, SHORT).await.expect("reading").is_empty(), "an entry was delivered twice");
    }
}

async fn reading_waits_for_the_first_entry(stream: Arc<dyn EventStream>) {
    let mut consumer = join(&stream, "waiting", "a").await;
    let none = consumer.read(5, SHORT).await.expect("reading an empty stream");
    assert!(none.is_empty(), "an empty stream delivered something");
    let late = async {
        tokio::time::sleep(SHORT).await;
        append(&stream, &sample_events(0..3)).await;
    };
    let (entries, ()) = tokio::join!(read_exactly(&mut *consumer, 3), late);
    assert_eq!(entries.len(), 3);
}

async fn reclaim_takes_only_idle_entries(stream: Arc<dyn EventStream>) {
    append(&stream, &sample_events(0..10)).await;
    let mut lost = join(&stream, "work", "lost").await;
    let entries = read_exactly(&mut *lost, 10).await;
    let done: Vec<_> = entries[..4].iter().map(|entry| entry.id).collect();
    lost.acknowledge(&done).await.expect("acknowledging");
    lost.acknowledge(&done).await.expect("acknowledging twice");
    let mut other = join(&stream, "work", "other").await;
    let fresh = other.reclaim(LONG, 10).await.expect("reclaiming");
    assert!(fresh.is_empty(), "entries were reclaimed before they were idle");
    tokio::time::sleep(SHORT).await;
    let mut reclaimed = other.reclaim(SHORT / 2, 4).await.expect("reclaiming");
    reclaimed.extend(other.reclaim(SHORT / 2, 10).await.expect("reclaiming"));
    let ids: BTreeSet<_> = reclaimed.iter().map(|entry| entry.id).collect();
    let expected: BTreeSet<_> = entries[4..].iter().map(|entry| entry.id).collect();
    assert_eq!(ids, expected, "reclaimed entries");
    assert_eq!(reclaimed.len(), 6, "an entry was reclaimed twice while it was fresh");
    assert!(reclaimed.iter().all(|entry| entry.deliveries == 2), "a second delivery is not counted as 2");
}

async fn lag_adds_up(stream: Arc<dyn EventStream>) {
    append(&stream, &sample_events(0..30)).await;
    let mut consumer = join(&stream, "lag", "a").await;
    let lag = stream.lag("lag").await.expect("lag");
    assert_eq!((lag.appended, lag.unread, lag.pending, lag.dropped), (30, 30, 0, 0), "lag before reading");
    let entries = read_exactly(&mut *consumer, 20).await;
    let ids: Vec<_> = entries[..5].iter().map(|entry| entry.id).collect();
    consumer.acknowledge(&ids).await.expect("acknowledging");
    let lag = stream.lag("lag").await.expect("lag");
    assert_eq!((lag.appended, lag.unread, lag.pending, lag.dropped), (30, 10, 15, 0), "lag after reading");
    assert_eq!(stream.readers("lag").await.expect("readers"), 1, "readers of the group");
}

async fn a_cancelled_read_loses_nothing(stream: Arc<dyn EventStream>) {
    let mut consumer = join(&stream, "cancel", "a").await;
    let mut seen = BTreeSet::new();
    for round in 0..20u64 {
        append(&stream, &sample_events(round * 5..round * 5 + 5)).await;
        let patience = Duration::from_micros(round * 100);
        if let Ok(entries) = tokio::time::timeout(patience, consumer.read(3, LONG)).await {
            seen.extend(entries.expect("reading").iter().map(|entry| entry.event.id));
        }
    }
    let deadline = Instant::now() + LONG;
    while seen.len() < 100 {
        assert!(Instant::now() < deadline, "only {} of 100 events arrived: cancelled reads lost some", seen.len());
        let mut entries = consumer.read(50, SHORT).await.expect("reading");
        entries.extend(consumer.reclaim(Duration::from_millis(10), 1000).await.expect("reclaiming"));
        seen.extend(entries.iter().map(|entry| entry.event.id));
    }
}

async fn concurrent_appends_all_arrive(stream: Arc<dyn EventStream>) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4u64 {
        let stream = Arc::clone(&stream);
        tasks.spawn(async move {
            for batch in 0..10u64 {
                let start = writer * 100 + batch * 10;
                append(&stream, &sample_events(start..start + 10)).await;
            }
        });
    }
    let mut consumer = join(&stream, "all", "a").await;
    let entries = read_exactly(&mut *consumer, 400).await;
    while let Some(task) = tasks.join_next().await {
        task.expect("a writer failed");
    }
    let ids: BTreeSet<_> = entries.iter().map(|entry| entry.event.id).collect();
    assert_eq!(ids.len(), 400, "different events that arrived");
    for writer in 0..4u64 {
        let range = writer * 100 + 1..=writer * 100 + 100;
        let mut own = entries.iter().map(|entry| entry.event.origin.sequence).filter(|n| range.contains(n));
        assert!(own.by_ref().is_sorted(), "the order of one writer was not kept");
    }
}

async fn what_was_not_acknowledged_survives_a_restart<F, Fut>(open: &F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn EventStream>>,
{
    let events = sample_events(0..30);
    let unacknowledged: BTreeSet<_> = {
        let stream = open("restart".into()).await;
        append(&stream, &events).await;
        let mut consumer = join(&stream, "work", "a").await;
        let entries = read_exactly(&mut *consumer, 20).await;
        let ids: Vec<_> = entries.iter().step_by(2).map(|entry| entry.id).collect();
        consumer.acknowledge(&ids).await.expect("acknowledging");
        let open_entries = entries.iter().skip(1).step_by(2).map(|entry| entry.event.id);
        open_entries.chain(events[20..].iter().map(|event| event.id)).collect()
    };
    let stream = open("restart".into()).await;
    append(&stream, &sample_events(30..31)).await;
    let mut consumer = join(&stream, "work", "b").await;
    let mut expected = unacknowledged;
    expected.extend(sample_events(30..31).iter().map(|event| event.id));
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + LONG;
    loop {
        let mut entries = consumer.read(100, SHORT).await.expect("reading");
        entries.extend(consumer.reclaim(Duration::from_millis(50), 100).await.expect("reclaiming"));
        if entries.is_empty() && (seen.len() >= expected.len() || Instant::now() > deadline) {
            break;
        }
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        consumer.acknowledge(&ids).await.expect("acknowledging");
        seen.extend(entries.iter().map(|entry| entry.event.id));
    }
    assert_eq!(seen, expected, "entries delivered after the restart");
    let lag = stream.lag("work").await.expect("lag");
    assert_eq!((lag.appended, lag.unread, lag.pending), (31, 0, 0), "lag after everything was acknowledged");
}
