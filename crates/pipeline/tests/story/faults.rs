//! Stores and streams that fail: nothing is lost, order is kept, tracks do not block each other.

use crate::scene::{World, assert_adds_up, eventually, sequences, submit};
use crate::seams::{MemoryChannel, Mood, Switched};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_twenty_times_loses_nothing_and_keeps_the_order() {
    let world = World::new(Vec::new());
    world.store.failures.store(20, Ordering::SeqCst);
    let running = world.start("analytics = { batch_max = 50, batch_age_ms = 1 }").await;
    submit(&running, 1..=1000);
    eventually("the problem shows", || running.health().problems().iter().any(|text| text.contains("switched off")))
        .await;
    eventually("all stored", || world.store.events().len() == 1000).await;
    assert!(running.health().problems().is_empty(), "{:?}", running.health().problems());
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=1000).collect::<Vec<_>>());
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_the_store_refuses_become_dead_letters_and_all_others_are_stored_in_order() {
    let world = World::new(Vec::new());
    let running = world.start("analytics = { batch_age_ms = 1, attempts = 2 }").await;
    world.store.stuck.store(true, Ordering::SeqCst);
    let events = submit(&running, 1..=200);
    let poisoned = [0, 57, 58, 199];
    world.store.poison.lock().unwrap().extend(poisoned.map(|index| events[index].id));
    world.store.stuck.store(false, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let expected: Vec<u64> = (1..=200).filter(|number| !poisoned.contains(&(*number as usize - 1))).collect();
    assert_eq!(sequences(&world.store.events()), expected);
    let letters = world.dead_letters();
    assert_eq!(letters.len(), poisoned.len());
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("store memory refused it 2 times: cannot take this event"), "{reason}");
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["store:memory"].dropped["refused by the store"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_store_does_not_delay_alerts() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    world.store.stuck.store(true, Ordering::SeqCst);
    let running = world.start("").await;
    for number in 1..=50 {
        let start = Instant::now();
        submit(&running, [number]);
        eventually("delivered", || world.channels[0].delivered().len() as u64 == number).await;
        assert!(start.elapsed() < Duration::from_secs(1), "alert {number} took {:?}", start.elapsed());
    }
    assert!(world.store.events().is_empty());
    world.store.stuck.store(false, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(world.store.events().len(), 50);
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_away_holds_up_its_own_track_only() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let mut parts = world.parts().await;
    let router = parts.router.as_mut().expect("everything runs in this process");
    let realtime = Switched::new(router.realtime.clone(), false);
    let analytics = Switched::new(router.analytics.clone(), false);
    (router.realtime, router.analytics) = (realtime.clone(), analytics.clone());
    let running = world.start_parts("", parts).await;

    analytics.off.store(true, Ordering::SeqCst);
    submit(&running, 1..=10);
    eventually("alerts while analytics is away", || world.channels[0].delivered().len() == 10).await;
    assert!(world.store.events().is_empty());
    analytics.off.store(false, Ordering::SeqCst);
    eventually("history follows", || world.store.events().len() == 10).await;

    realtime.off.store(true, Ordering::SeqCst);
    submit(&running, 11..=20);
    eventually("history while real-time is away", || world.store.events().len() == 20).await;
    assert_eq!(world.channels[0].delivered().len(), 10);
    realtime.off.store(false, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=20).collect::<Vec<_>>());
    assert_eq!(world.channels[0].delivered().len(), 20);
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_store_that_is_away_does_not_delay_history_and_loses_no_alert() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    world.alerts.failures.store(1_000_000, Ordering::SeqCst);
    let running = world.start("").await;
    submit(&running, 1..=20);
    eventually("stored", || world.store.events().len() == 20).await;
    assert!(world.alerts.all().is_empty());
    world.alerts.failures.store(0, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!((world.alerts.all().len(), world.channels[0].delivered().len()), (20, 20));
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_panics_is_started_again_and_loses_nothing() {
    let world = World::new(Vec::new());
    world.store.panics.store(1, Ordering::SeqCst);
    let running = world.start("analytics = { batch_age_ms = 1 }").await;
    submit(&running, 1..=1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    submit(&running, 2..=10);
    eventually("later events are stored", || world.store.events().len() >= 9).await;
    drop(running);
}
