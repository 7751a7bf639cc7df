//! History of events: filters, pages, one event, counts, bad parameters.

use crate::bench::{Bench, event};
use parapet_event::{Action, SecurityEvent, Severity, Track};
use ulid::Ulid;

fn seconds(events: &serde_json::Value) -> Vec<i64> {
    let events: Vec<SecurityEvent> = serde_json::from_value(events.clone()).unwrap();
    events.iter().map(|event| (event.timestamp - crate::bench::start()).num_seconds()).collect()
}

#[tokio::test]
async fn events_come_newest_first_exactly_as_stored() {
    let bench = Bench::start().await;
    bench.put_events(&[event(1), event(3), event(2)]).await;
    let answer = bench.login("anna").await.get("/api/v1/events").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let events: Vec<SecurityEvent> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(events, [event(3), event(2), event(1)]);
    assert!(answer.header("link").is_none() && answer.header("x-next-cursor").is_none(), "the only page");
}

#[tokio::test]
async fn pages_follow_the_link_and_the_cursor_without_gaps_or_repeats() {
    let bench = Bench::start().await;
    bench.put_events(&(0..7).map(event).collect::<Vec<_>>()).await;
    let session = bench.login("anna").await;
    let mut target = "/api/v1/events?limit=3&severity=critical&text=%2Bor%2B".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = session.get(&target).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        pages.push(seconds(&answer.json()));
        let Some(link) = answer.header("link") else { break };
        assert!(link.contains(answer.header("x-next-cursor").unwrap()));
        target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(pages, [vec![6, 5, 4], vec![3, 2, 1], vec![0]]);
}

#[tokio::test]
async fn every_filter_reaches_the_store() {
    let bench = Bench::start().await;
    let mut other = event(5);
    other.severity = Severity::new(20);
    other.track = Some(Track::Analytics);
    other.client_ip = "2001:db8::1".parse().unwrap();
    other.action = Action::Detected;
    other.site = "api".into();
    other.attack_type = Some(parapet_event::AttackClass::WebShell);
    other.request.user_agent = "sqlmap/1.9".into();
    other.findings[0].rule_id = 955_100;
    bench.put_events(&[event(1), other]).await;
    let session = bench.login("anna").await;
    for filter in [
        "start_time=2026-05-28T20:26:45Z",
        "start_time=2026-05-28T22:26:45%2B02:00",
        "severity=low",
        "track=analytics",
        "client_ip=2001:db8::1",
        "rule_id=955100",
        "attack_type=web-shell",
        "action=detected",
        "site=api",
        "text=SQLMAP",
    ] {
        let answer = session.get(&format!("/api/v1/events?{filter}")).await;
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
        assert_eq!(seconds(&answer.json()), [5], "{filter}");
    }
    let before = session.get("/api/v1/events?end_time=2026-05-28T20:26:45Z").await;
    assert_eq!(seconds(&before.json()), [1]);
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    for (target, name) in [
        ("events?start_time=yesterday", "start_time"),
        ("events?end_time=2026-13-01T00:00:00Z", "end_time"),
        ("events?severity=severe", "severity"),
        ("events?severity=", "severity"),
        ("events?track=both", "track"),
        ("events?client_ip=203.0.113.256", "client_ip"),
        ("events?rule_id=-1", "rule_id"),
        ("events?rule_id=99999999999", "rule_id"),
        ("events?attack_type=SQLi", "attack_type"),
        ("events?action=block", "action"),
        ("events?site=", "site"),
        ("events?text=", "text"),
        ("events?cursor=AAAA", "cursor"),
        ("events?limit=0", "limit"),
        ("events?limit=1001", "limit"),
        ("events?limit=5&limit=6", "limit"),
        ("events?Severity=low", "Severity"),
        ("events?group_by=track", "group_by"),
        ("events/summary", "group_by"),
        ("events/summary?group_by=colour", "group_by"),
        ("events/summary?group_by=track&interval_seconds=0", "interval_seconds"),
        ("events/summary?group_by=track&cursor=AAAA", "cursor"),
        ("alerts?state=new", "state"),
        ("alerts?before=1", "before"),
        ("alerts?track=realtime", "track"),
        ("overview?verbose=1", "verbose"),
        ("ledger?x=1", "x"),
        ("live?since=1", "since"),
    ] {
        let answer = session.get(&format!("/api/v1/{target}")).await;
        assert_eq!(answer.error(), (400, "bad_parameter".into()), "{target}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("`{name}`")), "{target}: {message}");
    }
}

#[tokio::test]
async fn broken_encodings_in_a_query_are_no_crash() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    for target in ["events?text=%ff%fe", "events?text=%", "events?%00=1", "events?=", "events?&&&"] {
        let status = session.get(&format!("/api/v1/{target}")).await.status;
        assert!([200, 400].contains(&status), "{target}: {status}");
    }
}

#[tokio::test]
async fn one_event_is_found_by_its_id() {
    let bench = Bench::start().await;
    bench.put_events(&[event(1)]).await;
    let session = bench.login("anna").await;
    let answer = session.get(&format!("/api/v1/events/{}", event(1).id)).await;
    assert_eq!(serde_json::from_slice::<SecurityEvent>(&answer.body).unwrap(), event(1));
    assert_eq!(session.get(&format!("/api/v1/events/{}", Ulid::nil())).await.error(), (404, "not_found".into()));
    for id in ["1", "%00", "01JDA5ZQ3V000000000000000!", &"0".repeat(300)] {
        assert_eq!(session.get(&format!("/api/v1/events/{id}")).await.error(), (400, "bad_parameter".into()), "{id}");
    }
}

#[tokio::test]
async fn a_summary_counts_by_key_and_time() {
    let bench = Bench::start().await;
    let mut xss = event(70);
    xss.attack_type = Some(parapet_event::AttackClass::Xss);
    bench.put_events(&[event(1), event(2), event(61), xss]).await;
    let session = bench.login("vera").await;
    let counts = session.get("/api/v1/events/summary?group_by=attack_type").await.json();
    assert_eq!(
        counts,
        serde_json::json!([{"time": null, "key": "sqli", "count": 3}, {"time": null, "key": "xss", "count": 1}])
    );
    let target = "/api/v1/events/summary?group_by=attack_type&interval_seconds=60&limit=1&track=realtime";
    let counts = session.get(target).await.json();
    let counts: Vec<_> = counts.as_array().unwrap().iter().map(|bucket| bucket["count"].as_u64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), 3, "only the most frequent key: {counts:?}");
    assert_eq!(counts.len(), 2, "{counts:?}");
}
