//! The tracks do not delay each other: alerts are as quick while the history fails, and while a flood
//! of noise waits for it.
//!
//! Times are compared within one run and generously: what a coupling of the tracks would cost is many
//! times the bound.

use crate::scene::{World, assert_adds_up, attack, eventually, scan, sequences, sink};
use crate::seams::{MemoryChannel, Mood};
use parapet_pipeline::Running;
use parapet_ports::EventSink;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// No alert may take longer, on however busy a machine.
const BOUND: Duration = Duration::from_secs(3);

fn world() -> World {
    World::new(vec![MemoryChannel::new("soc", Mood::Works)])
}

/// Attacks one after the other; returns the longest time from request to delivered alert.
async fn slowest_alert(world: &World, running: &Running, numbers: impl Iterator<Item = u64>) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in numbers {
        let event = attack(number);
        let (id, start) = (event.id, Instant::now());
        sink(running).submit(event);
        eventually("the alert is delivered", || world.channels[0].delivered().iter().any(|(_, event)| *event == id))
            .await;
        slowest = slowest.max(start.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_every_write_leaves_alerts_as_quick_as_before() {
    let world = world();
    let running = world.start("analytics = { batch_age_ms = 1 }").await;
    let before = slowest_alert(&world, &running, 1..=50).await;
    eventually("the history follows", || world.store.events().len() == 50).await;

    world.store.failures.store(u32::MAX, Ordering::SeqCst);
    let during = slowest_alert(&world, &running, 51..=150).await;
    assert!(during < before * 20 + BOUND, "{during:?} while the store fails, {before:?} before");
    assert_eq!(world.store.events().len(), 50);
    assert!(running.health().problems().iter().any(|problem| problem.starts_with("analytics:")));

    world.store.failures.store(0, Ordering::SeqCst);
    eventually("everything arrives", || world.store.events().len() == 150).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=150).collect::<Vec<_>>());
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundredfold_flood_of_a_scanner_does_not_delay_alerts() {
    const ATTACKS: u64 = 30;
    const NOISE: u64 = 100;
    let world = world();
    // The history takes 64 events a second: a small part of what arrives.
    world.store.pause_ms.store(1000, Ordering::SeqCst);
    let running = world.start("analytics = { batch_max = 64 }").await;
    let mut slowest = Duration::ZERO;
    for round in 0..ATTACKS {
        let first = round * (NOISE + 1) + 1;
        for number in first..first + NOISE {
            sink(&running).submit(scan(number));
        }
        slowest = slowest.max(slowest_alert(&world, &running, std::iter::once(first + NOISE)).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (stored, all) = (world.store.events().len() as u64, ATTACKS * (NOISE + 1));
    assert!(slowest < BOUND, "an alert took {slowest:?} in the flood");
    assert!(stored < all * 9 / 10, "{stored} of {all} stored: this was no flood");
    assert_eq!(world.alerts.all().len() as u64, ATTACKS, "a scanner raises no alert");

    world.store.pause_ms.store(0, Ordering::SeqCst);
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), (1..=all).collect::<Vec<_>>());
    assert_adds_up(&*ledger);
}
