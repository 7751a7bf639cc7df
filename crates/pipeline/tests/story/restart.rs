//! What an earlier process left behind is taken up: streams, open alerts, pending deliveries.

use crate::scene::{World, assert_adds_up, attack, eventually, sequences, sink, submit};
use crate::seams::{MemoryChannel, Mood};
use parapet_event::DeliveryState;
use parapet_ports::EventSink;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stuck_store_left_in_the_stream_is_stored_after_a_restart_and_accounted_for() {
    let world = World::new(Vec::new());
    world.store.stuck.store(true, Ordering::SeqCst);
    let running = world.start("shutdown_timeout_ms = 300").await;
    submit(&running, 1..=100);
    assert!(!running.shutdown().await);
    assert!(world.store.events().is_empty());

    world.store.stuck.store(false, Ordering::SeqCst);
    let running = world.start("").await;
    submit(&running, 101..=120);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=120).collect::<Vec<_>>());
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["track:analytics"].delivered, 120);
    assert_eq!(snapshot["gateway"].produced, 20, "of this process");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_were_pending_are_made_after_a_restart() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Hangs)]);
    let running = world.start("shutdown_timeout_ms = 300").await;
    submit(&running, 1..=3);
    eventually("raised", || world.alerts.all().len() == 3).await;
    eventually("stored", || world.store.events().len() == 3).await;
    assert!(!running.shutdown().await);
    assert!(world.alerts.all().iter().all(|alert| alert.deliveries[0].state == DeliveryState::Pending));

    world.channels[0].set(Mood::Works);
    let running = world.start("").await;
    eventually("delivered", || world.channels[0].delivered().len() == 3).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert!(world.alerts.all().iter().all(|alert| alert.deliveries[0].state == DeliveryState::Delivered));
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_stays_open_for_counting_over_a_restart() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    for number in 1..=3 {
        let running = world.start("").await;
        let mut event = attack(number);
        event.client_ip = [192, 0, 2, 1].into();
        sink(&running).submit(event);
        assert!(running.shutdown().await);
    }
    let alerts = world.alerts.all();
    assert_eq!((alerts.len(), alerts[0].count), (1, 3));
    assert_eq!(world.channels[0].delivered().len(), 1);
}
