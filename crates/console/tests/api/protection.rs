//! What applies to every request.

use crate::bench::{Bench, config};
use crate::client::Request;
use parapet_console::Config;
use parapet_ports::LiveFeed;

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_a_request_id() {
    let bench = Bench::start().await;
    let mut ids = Vec::new();
    for (method, path) in
        [("GET", "/"), ("GET", "/healthz"), ("GET", "/api/v1/events"), ("GET", "/api/nothing"), ("PUT", "/metrics")]
    {
        let answer = bench.send(&Request::new(method, path)).await;
        let policy = answer.header("content-security-policy").unwrap();
        let scripts = policy.split(';').map(str::trim).find(|part| part.starts_with("script-src")).unwrap();
        assert_eq!(scripts, "script-src 'self'", "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(answer.header("strict-transport-security").is_none(), "not over plain HTTP");
        ids.push(answer.header("x-request-id").unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn unknown_endpoints_and_methods_are_json_errors() {
    let bench = Bench::start().await;
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/events", "/api/v1/events/a/b"] {
        assert_eq!(bench.send(&Request::new("GET", path)).await.error(), (404, "not_found".into()), "{path}");
    }
    for (method, path) in [("PUT", "/api/v1/events"), ("DELETE", "/healthz"), ("POST", "/"), ("POST", "/events")] {
        let answer = bench.send(&Request::new(method, path)).await;
        assert_eq!(answer.error(), (405, "method_not_allowed".into()), "{method} {path}");
    }
}

#[tokio::test]
async fn names_that_are_not_the_consoles_are_refused() {
    let hosts = vec!["parapet.internal".to_owned()];
    let bench = Bench::with(Config { allowed_hosts: hosts, ..config() }, LiveFeed::new(1)).await;
    let status = async |host: &str| bench.send(&Request::new("GET", "/metrics").header("Host", host)).await.status;
    assert_eq!(status("rebound.attacker.example").await, 421);
    assert_eq!(status("parapet.internal:9090").await, 200);
    assert_eq!(status("localhost").await, 200);
    assert_eq!(status("").await, 400);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let bench = Bench::start().await;
    let body = format!(r#"{{"username":"anna","password":"{}"}}"#, "x".repeat(200_000));
    let answer = bench.send(&Request::new("POST", "/api/v1/session").json(&body)).await;
    assert_eq!(answer.error(), (413, "bad_body".into()));
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_asks() {
    let bench = Bench::start().await;
    let get = Request::new("GET", "/api/v1/openapi.json");
    let plain = bench.send(&get).await;
    assert!(plain.header("content-encoding").is_none());
    let packed = bench.send(&get.header("Accept-Encoding", "gzip")).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
    assert!(packed.body.len() * 4 < plain.body.len());
}
