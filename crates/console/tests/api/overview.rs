//! Overview and ledger.

use crate::bench::Bench;
use parapet_ports::ledger::HopCount;
use parapet_ports::traffic::TrafficTotals;
use serde_json::json;

#[tokio::test]
async fn the_overview_tells_what_runs_and_its_traffic() {
    let bench = Bench::start().await;
    *bench.traffic.0.lock().unwrap() = TrafficTotals { requests: 9, blocked: 2, ..TrafficTotals::default() };
    let mut overview = bench.login("vera").await.get("/api/v1/overview").await.json();
    assert!(overview["uptime_seconds"].take().is_u64());
    let traffic = json!({"requests": 9, "blocked": 2, "rejected": 0, "detected": 0, "upstream_errors": 0});
    let wanted = json!({
        "traffic": traffic, "policy": "0123456789abcdef", "version": "1.2.3", "uptime_seconds": null, "sites": ["shop"],
    });
    assert_eq!(overview, wanted);
}

#[tokio::test]
async fn the_ledger_tells_what_is_in_flight() {
    let bench = Bench::start().await;
    let dropped = [("full".to_owned(), 2)].into();
    let hop = HopCount { produced: 10, delivered: 5, dropped };
    bench.ledger.0.lock().unwrap().insert("spool".into(), hop);
    let ledger = bench.login("anna").await.get("/api/v1/ledger").await.json();
    assert_eq!(ledger, json!({"spool": {"produced": 10, "delivered": 5, "dropped": {"full": 2}, "in_flight": 3}}));
}
