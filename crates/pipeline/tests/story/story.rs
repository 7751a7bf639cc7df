//! The way of events when everything works.

use crate::scene::{World, assert_adds_up, attack, eventually, oddity, sequences, sink, submit};
use crate::seams::{MemoryChannel, Mood};
use parapet_embedded::lakehouse::{self, Lakehouse};
use parapet_event::{AlertState, DeliveryState, Track, TrackReason};
use parapet_ports::live::LiveMessage;
use parapet_ports::{EventSink, EventStore};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_is_stored_classified_alerted_delivered_and_shown_live() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let mut watcher = world.live.watch();
    let running = world.start("").await;
    let event = submit(&running, [1]).remove(0);
    eventually("stored", || world.store.events().len() == 1).await;
    eventually("delivered", || {
        world
            .alerts
            .all()
            .first()
            .is_some_and(|alert| alert.deliveries.iter().any(|delivery| delivery.state == DeliveryState::Delivered))
    })
    .await;

    let stored = world.store.events().remove(0);
    assert_eq!((stored.track, stored.severity.get()), (Some(Track::RealTime), 85));
    assert_eq!(stored.track_reason, Some(TrackReason::CriticalSeverity(85)));
    let alert = world.alerts.all().remove(0);
    assert_eq!((alert.event_id, alert.count, alert.state), (event.id, 1, AlertState::Open));
    assert_eq!((alert.deliveries[0].channel.as_str(), alert.deliveries[0].attempts), ("soc", 1));
    assert_eq!(world.channels[0].delivered(), [(alert.id, event.id)]);
    let (mut events, mut alerts) = (0, 0);
    while let Ok(message) = watcher.try_recv() {
        match message {
            LiveMessage::Event(event) => {
                assert_eq!(event.track, Some(Track::RealTime));
                events += 1;
            }
            LiveMessage::Alert(_) => alerts += 1,
        }
    }
    assert_eq!((events, alerts), (1, 2), "the alert is shown when raised and when delivered");
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let snapshot = assert_adds_up(&*ledger);
    for hop in ["gateway", "spool", "router", "track:realtime", "track:analytics", "store:memory", "channel:soc"] {
        assert_eq!((snapshot[hop].produced, snapshot[hop].delivered), (1, 1), "{hop}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_events_reach_the_store_only_and_all_arrive_in_order() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let running = world.start("").await;
    for number in 1..=5000 {
        sink(&running).submit(oddity(number));
    }
    let ledger = running.ledger();
    assert!(running.shutdown().await, "shutdown drains");
    assert_eq!(sequences(&world.store.events()), (1..=5000).collect::<Vec<_>>());
    assert!(world.alerts.all().is_empty());
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["store:memory"].delivered, 5000);
    assert_eq!(snapshot["track:realtime"].produced, 0);
    assert_eq!((snapshot["sequence:router"].produced, snapshot["sequence:track:analytics"].delivered), (5000, 5000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlmap_scan_stays_on_the_analytics_track_and_alerts_nobody() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let running = world.start("").await;
    for number in 1..=100 {
        let mut event = attack(number);
        event.request.user_agent = "sqlmap/1.7.2#stable (https://sqlmap.org)".into();
        event.inbound_score = 25;
        sink(&running).submit(event);
    }
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let stored = world.store.events();
    assert_eq!(stored.len(), 100);
    assert!(stored.iter().all(|event| event.track == Some(Track::Analytics)));
    assert!(world.alerts.all().is_empty() && world.channels[0].delivered().is_empty());
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_delivered_twice_is_stored_once_and_alerts_once() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let running = world.start("").await;
    let event = attack(1);
    for _ in 0..3 {
        sink(&running).submit(event.clone());
    }
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(world.store.events().len(), 1);
    let alerts = world.alerts.all();
    assert_eq!((alerts.len(), alerts[0].count), (1, 1));
    assert_eq!(world.channels[0].delivered().len(), 1);
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_event_becomes_a_dead_letter_with_its_reason() {
    let world = World::new(Vec::new());
    let running = world.start("").await;
    let mut invalid = attack(2);
    invalid.site.clear();
    sink(&running).submit(attack(1));
    sink(&running).submit(invalid.clone());
    sink(&running).submit(attack(3));
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(sequences(&world.store.events()), [1, 3]);
    let letters = world.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0]["stage"], &letters[0]["event"]["id"]), (&"router".into(), &invalid.id.to_string().into()));
    assert!(letters[0]["reason"].as_str().unwrap().contains("site"), "{}", letters[0]);
    let snapshot = assert_adds_up(&*ledger);
    assert_eq!(snapshot["router"].dropped["invalid: site"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_queried_in_the_real_store() {
    let world = World::new(Vec::new());
    let directory = world.directory.path().join("lakehouse");
    let lake = Arc::new(Lakehouse::open("lake", lakehouse::Config::default(), &directory).await.unwrap());
    let mut parts = world.parts().await;
    if let Some(analytics) = &mut parts.analytics {
        analytics.store = lake.clone();
    }
    let running = world.start_parts("", parts).await;
    let start = Instant::now();
    let event = submit(&running, [1]).remove(0);
    let stored = loop {
        if let Some(stored) = lake.get(event.id).await.unwrap() {
            break stored;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never stored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    println!("queryable after {:?}", start.elapsed());
    assert_eq!((stored.track, stored.findings.len()), (Some(Track::RealTime), 1));
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(assert_adds_up(&*ledger)["store:lake"].delivered, 1);
}
