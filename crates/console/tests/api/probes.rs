//! Health, readiness and metrics.

use crate::bench::{Bench, config};
use crate::client::Request;
use parapet_console::Config;
use parapet_ports::{LiveFeed, Secret};
use std::net::SocketAddr;

#[tokio::test]
async fn readiness_gives_its_reasons_without_a_login() {
    let bench = Bench::start().await;
    let get = async |path: &str| bench.send(&Request::new("GET", path).header("Host", "pod.internal")).await;
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 200);
    bench.unready.lock().unwrap().push("the event store is away".into());
    let answer = get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "the event store is away");
    assert_eq!(get("/healthz").await.status, 200, "not ready is still alive");
}

#[tokio::test]
async fn metrics_are_open_on_loopback_only() {
    let get = Request::new("GET", "/metrics");
    let answer = Bench::start().await.send(&get).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "# TYPE up gauge\nup 1\n"));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let everywhere = Config { bind: SocketAddr::from(([0, 0, 0, 0], 0)), ..config() };
    let mut bench = Bench::with(everywhere, LiveFeed::new(1)).await;
    bench.address.set_ip([127, 0, 0, 1].into());
    let answer = bench.send(&get).await;
    assert_eq!(answer.error(), (401, "unauthorized".into()));
    assert!(answer.text().contains("console.metrics_token"));
}

#[tokio::test]
async fn metrics_are_not_open_to_those_behind_a_proxy() {
    let get = Request::new("GET", "/metrics");
    let public = Config { public_url: Some("http://waf.example".into()), ..config() };
    assert_eq!(Bench::with(public, LiveFeed::new(1)).await.send(&get).await.status, 401);
    let proxied = Config { trusted_proxies: vec!["127.0.0.1".into()], ..config() };
    let bench = Bench::with(proxied, LiveFeed::new(1)).await;
    assert_eq!(bench.send(&get).await.status, 200);
    assert_eq!(bench.send(&get.header("X-Forwarded-For", "203.0.113.4")).await.status, 401);
}

#[tokio::test]
async fn a_metrics_token_is_asked_for_also_on_loopback() {
    let token = "a-long-random-metrics-token";
    let config = Config { metrics_token: Some(Secret::new(token)), ..config() };
    let bench = Bench::with(config, LiveFeed::new(1)).await;
    let get =
        async |given: &str| bench.send(&Request::new("GET", "/metrics").header("Authorization", given)).await.status;
    assert_eq!(bench.send(&Request::new("GET", "/metrics")).await.status, 401);
    assert_eq!(get("Bearer wrong").await, 401);
    assert_eq!(get(token).await, 401);
    assert_eq!(get(&format!("Bearer {token}")).await, 200);
}
