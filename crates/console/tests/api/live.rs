//! The live stream.

use crate::bench::{Bench, alert, config, event};
use crate::client::{Request, Stream};
use parapet_console::Config;
use parapet_event::{Alert, SecurityEvent};
use parapet_ports::live::LiveMessage;
use parapet_ports::{LiveFeed, SharedEvent};
use std::sync::Arc;
use std::time::Duration;

fn publish(bench: &Bench, second: i64) {
    bench.live.publish(LiveMessage::Event(SharedEvent::new(event(second))));
}

#[tokio::test]
async fn a_watcher_sees_traffic_each_second_and_events_and_alerts_at_once() {
    let bench = Bench::start().await;
    let mut stream = bench.login("anna").await.watch().await;
    assert_eq!(stream.answer.status, 200);
    assert_eq!(stream.answer.header("content-type"), Some("text/event-stream"));
    assert!(stream.answer.header("content-encoding").is_none());
    let first = stream.next("traffic").await;
    assert_eq!(first["requests"], 0);
    assert!(first["timestamp"].is_string());
    let sent = event(1);
    bench.live.publish(LiveMessage::Event(SharedEvent::new(sent.clone())));
    let raised = alert(2);
    bench.live.publish(LiveMessage::Alert(Arc::new(raised.clone())));
    let (name, data) = stream.message().await.unwrap();
    assert_eq!((name.as_str(), serde_json::from_value::<SecurityEvent>(data).unwrap()), ("security-event", sent));
    let (name, data) = stream.message().await.unwrap();
    assert_eq!((name.as_str(), serde_json::from_value::<Alert>(data).unwrap()), ("alert", raised));
    bench.traffic.0.lock().unwrap().requests = 5;
    assert_eq!(stream.next("traffic").await["requests"], 5);
}

#[tokio::test]
async fn viewers_see_that_something_happened_but_not_what_was_sent() {
    let bench = Bench::start().await;
    let mut stream = bench.login("vera").await.watch().await;
    stream.next("traffic").await;
    bench.live.publish(LiveMessage::Alert(Arc::new(alert(1))));
    publish(&bench, 2);
    let (name, data) = stream.message().await.unwrap();
    assert_eq!(name, "security-event", "alerts are for analysts");
    let seen: SecurityEvent = serde_json::from_value(data).unwrap();
    assert_eq!((seen.request.uri.as_str(), seen.findings.len(), seen.request.headers.len()), ("/search", 0, 0));
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_much_it_missed() {
    let bench = Bench::with(config(), LiveFeed::new(8)).await;
    let mut stream = bench.login("anna").await.watch().await;
    stream.next("traffic").await;
    // Nothing else runs meanwhile: the feed keeps the last 8 of 100.
    (0..100).for_each(|second| publish(&bench, second));
    let mut seen = 0;
    let missed = loop {
        match stream.message().await.unwrap() {
            (name, _) if name == "security-event" => seen += 1,
            (name, data) if name == "missed" => break data["count"].as_u64().unwrap(),
            _ => {}
        }
    };
    assert_eq!((seen, missed), (8, 92));
}

#[tokio::test]
async fn a_flood_is_thinned_to_what_people_can_read() {
    let bench = Bench::start().await;
    let mut stream = bench.login("anna").await.watch().await;
    stream.next("traffic").await;
    (0..2000).for_each(|second| publish(&bench, second));
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < 2000 {
        match stream.message().await.unwrap() {
            (name, _) if name == "security-event" => seen += 1,
            (name, data) if name == "missed" => missed += data["count"].as_u64().unwrap(),
            _ => {}
        }
    }
    assert!(missed >= 500, "seen {seen}, missed {missed}");
}

#[tokio::test]
async fn the_stream_ends_with_the_session() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    let mut stream = session.watch().await;
    stream.next("traffic").await;
    assert_eq!(session.send("DELETE", "/api/v1/session", "").await.status, 204);
    stream.end().await;
    let mut stream = bench.login("anna").await.watch().await;
    stream.next("traffic").await;
    bench.accounts.end_sessions();
    stream.end().await;
}

#[tokio::test]
async fn the_stream_ends_when_the_server_stops() {
    let bench = Bench::start().await;
    let mut stream = bench.login("anna").await.watch().await;
    stream.next("traffic").await;
    bench.stop.send(true).unwrap();
    stream.end().await;
    tokio::time::timeout(Duration::from_secs(2), bench.server).await.expect("the server still runs").unwrap();
}

#[tokio::test]
async fn watchers_are_limited_and_a_place_comes_free_when_one_leaves() {
    let bench = Bench::with(Config { watchers_max: 1, ..config() }, LiveFeed::new(8)).await;
    let session = bench.login("anna").await;
    let mut first = session.watch().await;
    first.next("traffic").await;
    let refused = session.get("/api/v1/live").await;
    assert_eq!(refused.error(), (503, "too_many_watchers".into()));
    assert!(refused.header("retry-after").is_some());
    drop(first);
    for _ in 0..50 {
        let mut stream = Stream::open(bench.address, &session.sign(Request::new("GET", "/api/v1/live"))).await;
        if stream.answer.status == 200 {
            stream.next("traffic").await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the place stays taken");
}
