//! The hand-off when its stream is away: the request path never waits, and the policy holds.

use crate::scene::{World, assert_adds_up, attack, eventually, sequences, sink, submit};
use crate::seams::Switched;
use parapet_ports::{EventSink, Ledger};
use std::collections::BTreeMap;
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
