//! A stream server that dies under traffic and comes back: the spool takes over, verdicts stay right, the
//! outage shows, and afterwards everything arrives in order while new attacks do not wait for it.

#![allow(clippy::print_stdout, reason = "how long a new alert took is worth reading")]

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::traffic::{Traffic, assert_stored_once, attack, number_of};
use parapet_scenarios::{eventually, skip};
use parapet_services::{Kafka, Redis};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const CLIENTS: usize = 4;
/// Attacks that the spool has to keep.
const BACKLOG: usize = 1000;
/// A client that is first heard of after the outage.
const NEWCOMER: usize = 99;
const DEADLINE: Duration = Duration::from_secs(180);
/// Until a new attack has its alert after the server is back, on however busy a machine.
const ALERT_BOUND: Duration = Duration::from_secs(90);

/// A server that both tracks are on.
trait Server {
    fn options(&self, track: &str) -> String;
    fn kill(&mut self);
    fn restart(&mut self);
}

impl Server for Redis {
    fn options(&self, _track: &str) -> String {
        format!("kind = \"redis\"\naddresses = [\"{}\"]\n", self.address())
    }

    fn kill(&mut self) {
        Redis::kill(self);
    }

    fn restart(&mut self) {
        Redis::restart(self);
    }
}

impl Server for Kafka {
    fn options(&self, track: &str) -> String {
        format!("kind = \"kafka\"\nbrokers = [\"{}\"]\ntopic = \"{track}\"\n", self.address())
    }

    fn kill(&mut self) {
        Kafka::kill(self);
    }

    fn restart(&mut self) {
        Kafka::restart(self);
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, DEADLINE, || holds().then_some(()));
}

/// Value of a metric with these labels.
fn metric(product: &Product, name: &str, labels: &[&str]) -> f64 {
    let text = client::get(product.console, "/metrics").expect("an answer").body;
    let line = text.lines().find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn survive_an_outage(server: &mut impl Server) {
    let tracks = ["realtime", "analytics"].map(|track| format!("[streams.{track}]\n{}", server.options(track)));
    let product = Product::start(&tracks.concat());
    let session = Session::login(product.console, &product.login);
    let ready = || client::get(product.console, "/readyz").expect("an answer");
    let traffic = Traffic::start(product.gateway, CLIENTS);
    traffic.wait_for(200, DEADLINE);

    server.kill();
    traffic.wait_for(BACKLOG, DEADLINE);
    assert_eq!(client::get(product.gateway, "/").expect("an answer").status, 200, "ordinary traffic goes on");
    wait_until("readiness shows the outage", || ready().status == 503 && ready().body.contains("router"));
    let waiting = || metric(&product, "parapet_stream_unread", &["stream=\"spool\"", "group=\"router\""]);
    wait_until("the metrics show the backlog", || waiting() >= BACKLOG as f64 / 2.0);

    server.restart();
    let back = Instant::now();
    let newest = attack(product.gateway, NEWCOMER, 1).expect("an answer");
    let path = "/api/v1/alerts?limit=1000";
    let address = format!("10.0.0.{NEWCOMER}");
    let has_alert = |alert: &Value| alert["client_ip"] == address.as_str();
    let alerts = || session.get(path).json().as_array().is_some_and(|all| all.iter().any(has_alert));
    wait_until("the new attack has its alert", alerts);
    println!("a new attack had its alert {:?} after the server was back", back.elapsed());
    assert!(back.elapsed() < ALERT_BOUND, "a new attack waited {:?} for its alert", back.elapsed());
    traffic.wait_for(200, DEADLINE);
    let mut answered = traffic.stop();
    answered.push(newest);
    let stored = assert_stored_once(&session, &answered, DEADLINE);
    assert_eq!(stored, answered.len() + 1, "there is one of the ordinary request, for its numeric Host");
    wait_until("readiness", || ready().status == 200);
    let dropped = client::get(product.console, "/metrics").expect("an answer").body;
    assert!(!dropped.contains("parapet_hop_dropped_total"), "{dropped}");
}

#[test]
fn redis_may_die_under_traffic_and_come_back() {
    const NAME: &str = "redis_may_die_under_traffic_and_come_back";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(mut redis) = Redis::start(NAME, &[]) else { return };
    survive_an_outage(&mut redis);
    assert_in_order(&redis.command(&["XRANGE", "waf-analytics-events", "-", "+"]));
}

#[test]
fn kafka_may_die_under_traffic_and_come_back() {
    const NAME: &str = "kafka_may_die_under_traffic_and_come_back";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(mut kafka) = Kafka::start(NAME) else { return };
    survive_an_outage(&mut kafka);
}

/// The events of each client are on the track in the order of its requests. A batch whose answer was lost
/// may be there again.
fn assert_in_order(entries: &str) {
    let events = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut newest: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (client, number) in events.filter_map(|event| number_of(&event)) {
        let numbers = newest.entry(client).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    assert_eq!(newest.len(), CLIENTS + 1);
    for (client, numbers) in newest {
        assert!(numbers.is_sorted(), "client {client}: {numbers:?}");
    }
}
