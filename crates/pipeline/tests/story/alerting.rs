//! Alerts: one per client and attack, delivered by every channel at its own pace.

use crate::scene::{World, assert_adds_up, attack, eventually, sink, submit};
use crate::seams::{MemoryChannel, Mood};
use parapet_event::{AlertState, AttackClass, DeliveryState};
use parapet_ports::{AlertStore, EventSink};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn repeats_count_onto_one_alert_per_site_client_and_class() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let running = world.start("").await;
    for number in 1..=300 {
        let mut event = attack(number);
        event.client_ip = [192, 0, 2, u8::try_from(number % 2).unwrap()].into();
        if number % 3 == 0 {
            event.attack_type = Some(AttackClass::Xss);
        }
        sink(&running).submit(event);
    }
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let alerts = world.alerts.all();
    assert_eq!(alerts.len(), 4);
    assert_eq!(alerts.iter().map(|alert| alert.count).sum::<u64>(), 300);
    assert!(alerts.iter().all(|alert| alert.last_seen > alert.timestamp - chrono::TimeDelta::seconds(60)));
    assert_eq!(world.channels[0].delivered().len(), 4);
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn triage_is_kept_while_events_are_counted_and_a_closed_alert_takes_no_more() {
    let world = World::new(Vec::new());
    let running = world.start("").await;
    let again = |number| {
        let mut event = attack(number);
        event.client_ip = [192, 0, 2, 1].into();
        sink(&running).submit(event);
    };
    again(1);
    eventually("raised", || world.alerts.all().len() == 1).await;
    let id = world.alerts.all()[0].id;
    world.alerts.set_state(id, AlertState::Acknowledged, "ann", [127, 0, 0, 1].into()).await.unwrap();
    again(2);
    eventually("counted", || world.alerts.all()[0].count == 2).await;
    assert_eq!(world.alerts.all()[0].state, AlertState::Acknowledged);
    world.alerts.set_state(id, AlertState::Closed, "ann", [127, 0, 0, 1].into()).await.unwrap();
    again(3);
    eventually("raised anew", || world.alerts.all().len() == 2).await;
    assert_eq!(world.alerts.all()[0].count, 2);
    assert!(running.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_recorded_and_no_channel_delays_another() {
    let moods = [Mood::Hangs, Mood::Refuses, Mood::Away, Mood::Panics, Mood::Works];
    let world = World::new(moods.iter().map(|mood| MemoryChannel::new(&format!("{mood:?}"), *mood)).collect());
    let running = world.start("realtime.delivery = { attempts = 3, timeout_ms = 200, backoff_ms = 1 }").await;
    let start = Instant::now();
    submit(&running, 1..=5);
    eventually("the channel that works has all", || world.channels[4].delivered().len() == 5).await;
    assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    let ledger = running.ledger();
    assert!(running.shutdown().await, "hanging attempts end by their timeout");
    for alert in world.alerts.all() {
        let outcome = |mood: Mood| {
            let delivery = alert.deliveries.iter().find(|delivery| delivery.channel == format!("{mood:?}")).unwrap();
            (delivery.state, delivery.attempts, delivery.error.clone().unwrap_or_default())
        };
        assert_eq!(outcome(Mood::Works), (DeliveryState::Delivered, 1, String::new()));
        assert_eq!(outcome(Mood::Refuses), (DeliveryState::Failed, 1, "404 Not Found".into()));
        assert_eq!(outcome(Mood::Away), (DeliveryState::Failed, 3, "switched off by the test".into()));
        assert_eq!(outcome(Mood::Hangs), (DeliveryState::Failed, 3, "no answer within 200 ms".into()));
        assert_eq!(outcome(Mood::Panics), (DeliveryState::Failed, 1, "the channel panicked; see the log".into()));
    }
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["channel:Works"].delivered, 5);
    assert_eq!(snapshot["channel:Away"].dropped["given up"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_do_not_fit_into_a_channels_queue_are_recorded_and_counted() {
    let world = World::new(vec![MemoryChannel::new("dead", Mood::Hangs), MemoryChannel::new("soc", Mood::Works)]);
    let running = world
        .start("realtime.delivery = { queue_max = 5, attempts = 1, timeout_ms = 60000 }\nshutdown_timeout_ms = 300")
        .await;
    submit(&running, 1..=5);
    eventually("delivered", || world.channels[1].delivered().len() == 5).await;
    submit(&running, 6..=8);
    eventually("all delivered elsewhere", || world.channels[1].delivered().len() == 8).await;
    let failed = || {
        let deliveries = world.alerts.all().into_iter().flat_map(|alert| alert.deliveries);
        deliveries.filter(|delivery| delivery.channel == "dead" && delivery.state == DeliveryState::Failed).count()
    };
    eventually("recorded", || failed() == 2).await;
    let dropped = &running.ledger();
    let count = parapet_ports::Ledger::snapshot(&**dropped)["channel:dead"].clone();
    assert_eq!((count.produced, count.dropped["queue full"], count.in_flight()), (8, 2, 6));
    assert!(!running.shutdown().await, "the hanging attempt is cut off at the deadline");
}
