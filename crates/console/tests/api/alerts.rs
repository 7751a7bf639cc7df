//! Alerts and their triage.

use crate::bench::{Bench, config};
use crate::client::Request;
use parapet_console::Config;
use parapet_event::{Alert, AlertState};
use parapet_ports::LiveFeed;
use ulid::Ulid;

#[tokio::test]
async fn alerts_come_newest_first_and_page_by_the_last_id() {
    let bench = Bench::start().await;
    for second in 0..3 {
        bench.put_alert(second).await;
    }
    let session = bench.login("anna").await;
    let first: Vec<Alert> = serde_json::from_slice(&session.get("/api/v1/alerts?limit=2").await.body).unwrap();
    assert_eq!(
        first.iter().map(|alert| alert.title.as_str()).collect::<Vec<_>>(),
        ["SQL injection 2", "SQL injection 1"]
    );
    let rest = session.get(&format!("/api/v1/alerts?before={}&state=open", first[1].id)).await;
    let rest: Vec<Alert> = serde_json::from_slice(&rest.body).unwrap();
    assert_eq!(rest.iter().map(|alert| alert.title.as_str()).collect::<Vec<_>>(), ["SQL injection 0"]);
    let none = session.get("/api/v1/alerts?state=closed").await;
    assert_eq!(none.text(), "[]");
}

#[tokio::test]
async fn triage_tells_the_store_who_and_from_where() {
    let bench = Bench::start().await;
    let alert = bench.put_alert(1).await;
    let session = bench.login("anna").await;
    let path = format!("/api/v1/alerts/{}", alert.id);
    assert_eq!(session.send("PATCH", &path, r#"{"state":"acknowledged"}"#).await.status, 204);
    let changes = bench.alerts.changes.lock().unwrap().clone();
    assert_eq!(changes, [(alert.id, AlertState::Acknowledged, "anna".to_owned(), [127, 0, 0, 1].into())]);
    let listed: Vec<Alert> = serde_json::from_slice(&session.get("/api/v1/alerts").await.body).unwrap();
    assert_eq!(listed[0].state, AlertState::Acknowledged);
}

#[tokio::test]
async fn triage_shows_on_the_screens_of_others() {
    let bench = Bench::start().await;
    let alert = bench.put_alert(1).await;
    let mut stream = bench.login("adam").await.watch().await;
    stream.next("traffic").await;
    let path = format!("/api/v1/alerts/{}", alert.id);
    bench.login("anna").await.send("PATCH", &path, r#"{"state":"closed"}"#).await;
    let shown: Alert = serde_json::from_value(stream.next("alert").await).unwrap();
    assert_eq!(shown, Alert { state: AlertState::Closed, ..alert });
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_trail_names_the_client() {
    for (trusted, seen) in [(vec!["127.0.0.0/8".to_owned()], [203, 0, 113, 4]), (Vec::new(), [127, 0, 0, 1])] {
        let config = Config { trusted_proxies: trusted, ..config() };
        let bench = Bench::with(config, LiveFeed::new(1)).await;
        let alert = bench.put_alert(1).await;
        let request = Request::new("PATCH", &format!("/api/v1/alerts/{}", alert.id)).json(r#"{"state":"closed"}"#);
        let signed = bench.login("anna").await.sign(request);
        let answer = bench.send(&signed.header("X-Forwarded-For", "198.51.100.1, 203.0.113.4")).await;
        assert_eq!(answer.status, 204);
        assert_eq!(bench.alerts.changes.lock().unwrap()[0].3, std::net::IpAddr::from(seen));
    }
}

#[tokio::test]
async fn triage_of_what_is_not_there_or_not_a_state_is_refused() {
    let bench = Bench::start().await;
    let alert = bench.put_alert(1).await;
    let session = bench.login("anna").await;
    let closed = r#"{"state":"closed"}"#;
    let unknown = session.send("PATCH", &format!("/api/v1/alerts/{}", Ulid::nil()), closed).await;
    assert_eq!(unknown.error(), (404, "not_found".into()));
    assert_eq!(session.send("PATCH", "/api/v1/alerts/7", closed).await.error(), (400, "bad_parameter".into()));
    let path = format!("/api/v1/alerts/{}", alert.id);
    for body in [r#"{"state":"done"}"#, "{}", r#"{"state":"closed","title":"x"}"#] {
        assert_eq!(session.send("PATCH", &path, body).await.error(), (422, "bad_body".into()), "{body}");
    }
    assert!(bench.alerts.changes.lock().unwrap().is_empty());
}
