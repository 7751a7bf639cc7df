//! The hand-off when its stream is away: the request path never waits, and the policy holds.

use crate::scene::{World, assert_adds_up, attack, eventually, sequences, sink, submit};
use crate::seams::Switched;
use parapet_embedded::journal::{self, Journal};
use parapet_ports::ledger::HopCount;
use parapet_ports::{EventSink, EventStream, Ledger};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_away_for_a_while_loses_nothing_that_fits() {
    let world = World::new(Vec::new());
    let spool = Switched::new(world.journal("switched").await, true);
    let running = world.start_with("", spool.clone()).await;
    let start = Instant::now();
    submit(&running, 1..=2000);
    assert!(start.elapsed() < Duration::from_secs(1), "submitting took {:?}", start.elapsed());
    spool.refused.notified().await;
    spool.off.store(false, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=2000).collect::<Vec<_>>());
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_drops_the_oldest_counts_them_and_explains_the_gap() {
    let world = World::new(Vec::new());
    let spool = Switched::new(world.journal("switched").await, false);
    let running = world.start_with("spool = { events_max = 100, batch_max = 10 }", spool.clone()).await;
    submit(&running, [1]);
    eventually("the first is through", || world.store.events().len() == 1).await;
    spool.off.store(true, Ordering::SeqCst);
    submit(&running, [2]);
    spool.refused.notified().await;
    submit(&running, 3..=152);
    assert!(sink(&running).accepting());
    spool.off.store(false, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let arrived = sequences(&world.store.events());
    assert_eq!(arrived, [1, 2].into_iter().chain(53..=152).collect::<Vec<_>>());
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["spool"].dropped["full"], 50);
    for hop in ["router", "track:realtime", "track:analytics"] {
        assert_eq!(
            snapshot[&format!("sequence:{hop}")].dropped,
            BTreeMap::from([("left out before".into(), 50)]),
            "{hop}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_that_fails_closed_says_so_until_its_stream_is_back() {
    let world = World::new(Vec::new());
    let spool = Switched::new(world.journal("switched").await, true);
    let config = "spool = { events_max = 10, batch_max = 1, when_full = \"fail-closed\" }";
    let running = world.start_with(config, spool.clone()).await;
    let sink = sink(&running);
    submit(&running, [1]);
    spool.refused.notified().await;
    for number in 2..=11 {
        assert!(sink.accepting(), "{number}");
        sink.submit(attack(number));
    }
    assert!(!sink.accepting());
    sink.submit(attack(12));
    spool.off.store(false, Ordering::SeqCst);
    eventually("accepting again", || sink.accepting()).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=11).collect::<Vec<_>>());
    assert_eq!(assert_adds_up(&*ledger)["gateway"].dropped["full"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_by_the_shutdown_deadline_is_kept_as_dead_letters() {
    let world = World::new(Vec::new());
    let spool = Switched::new(world.journal("switched").await, true);
    let running = world.start_with("shutdown_timeout_ms = 200\nspool = { batch_max = 7 }", spool).await;
    submit(&running, 1..=20);
    let (ledger, sink) = (running.ledger(), sink(&running));
    assert!(!running.shutdown().await);
    assert_eq!(world.dead_letters().len(), 20);
    sink.submit(attack(21));
    let snapshot = ledger.snapshot();
    assert_eq!((snapshot["spool"].dropped["dead letter"], snapshot["gateway"].dropped["closed"]), (20, 1));
}

/// A long outage behind a spool with room for some 60 events on disk, and 28 in memory.
async fn outlast_an_outage(when_full: journal::WhenFull) -> (Vec<u64>, BTreeMap<String, HopCount>) {
    const EVENTS: u64 = 300;
    let world = World::new(Vec::new());
    let sync = journal::Sync::Never;
    let config = journal::Config { max_bytes: 64 << 10, segment_bytes: 8 << 10, when_full, sync, ..Default::default() };
    let spool = Journal::open("spool", config, &world.directory.path().join("small")).await.unwrap();
    let mut parts = world.parts_on(Arc::new(spool)).await;
    let router = parts.router.as_mut().expect("everything runs in this process");
    let tracks = [router.realtime.clone(), router.analytics.clone()].map(|stream| Switched::new(stream, true));
    [router.realtime, router.analytics] = tracks.clone().map(|stream| stream as Arc<dyn EventStream>);
    let running = world.start_parts(SMALL, parts).await;
    for number in 1..=EVENTS {
        submit(&running, [number]);
        // As the gateway does after each answer, so that what fits is on disk before the next one.
        sink(&running).settled().await;
    }
    let shows = |text: &str| running.health().problems().iter().any(|problem| problem.contains(text));
    eventually("the outage shows", || shows("router: switched off")).await;
    if when_full == journal::WhenFull::Reject {
        eventually("the full disk shows", || shows("spool: journal spool is full")).await;
    }
    tracks.iter().for_each(|track| track.off.store(false, Ordering::SeqCst));
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let arrived = sequences(&world.store.events());
    assert_eq!(arrived.last(), Some(&EVENTS), "the newest is kept");
    assert!(arrived.is_sorted() && arrived.len() > 28, "{arrived:?}");
    (arrived, ledger.snapshot())
}

const SMALL: &str = "spool = { events_max = 20, batch_max = 8, answer_waits_ms = 3000 }\nrouter = { batch_max = 8 }";

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_at_its_bound_on_disk_keeps_the_oldest_there_and_the_newest_in_memory_and_counts_the_rest() {
    let (arrived, ledger) = outlast_an_outage(journal::WhenFull::Reject).await;
    let first = arrived.iter().zip(1..).take_while(|(arrived, number)| **arrived == *number).count();
    assert!(first >= 30, "only {first} events were on disk");
    assert_eq!(ledger["spool"].dropped["full"], 300 - arrived.len() as u64);
    assert_eq!(
        ledger["sequence:router"].dropped,
        BTreeMap::from([("left out before".to_owned(), 300 - arrived.len() as u64)])
    );
    for (hop, count) in &ledger {
        assert_eq!(count.produced, count.delivered + count.dropped.values().sum::<u64>(), "{hop}: {count:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_gives_up_its_oldest_at_the_bound_counts_them() {
    let (arrived, ledger) = outlast_an_outage(journal::WhenFull::DropOldest).await;
    assert!(!ledger["spool"].dropped.contains_key("full"), "the disk took everything: {ledger:?}");
    let missing = 300 - arrived.len() as u64;
    assert!(missing > 100, "{missing}");
    for hop in ["router", "router:realtime"] {
        let count = &ledger[hop];
        let gone = count.delivered + count.dropped["trimmed"];
        assert_eq!(count.produced, 300);
        // The batch that the lane held when it was trimmed is delivered all the same.
        assert!((300..=308).contains(&gone), "{hop}: {count:?}");
    }
    assert_eq!(ledger["sequence:router"].in_flight(), missing, "a while later they count as lost, and raise an alert");
}
