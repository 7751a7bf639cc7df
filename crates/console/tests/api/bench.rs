//! A running console and what stands behind it.

use crate::client::{Answer, Request, Stream, send};
use crate::seams::{MemoryAccounts, MemoryAlerts, MemoryStore, SetLedger, SetTraffic};
use chrono::{DateTime, TimeDelta, Utc};
use parapet_console::{Config, Console, Info, Node, Server};
use parapet_event::{
    Action, Alert, AlertState, AttackClass, Finding, Origin, RequestSummary, SecurityEvent, Severity, Track,
};
use parapet_ports::accounts::Role;
use parapet_ports::{AlertStore, EventStore, LiveFeed, SharedEvent};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ulid::Ulid;

/// A running console. Users: `vera` (viewer), `anna` (analyst), `adam` (admin), all with the
/// password `secret`.
pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) alerts: Arc<MemoryAlerts>,
    pub(crate) accounts: Arc<MemoryAccounts>,
    pub(crate) traffic: Arc<SetTraffic>,
    pub(crate) ledger: Arc<SetLedger>,
    pub(crate) live: LiveFeed,
    pub(crate) unready: Arc<Mutex<Vec<String>>>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) server: JoinHandle<()>,
}

/// On a free port of loopback.
pub(crate) fn config() -> Config {
    Config { bind: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() }
}

/// What every process answers, without peers.
pub(crate) fn node() -> Node {
    Node { metrics: Arc::new(|| "# TYPE up gauge\nup 1\n".to_owned()), readiness: Arc::new(Vec::new), peers: None }
}

/// A console over the given event store.
pub(crate) fn console(store: Arc<dyn EventStore>) -> Console {
    Console {
        store,
        alerts: Arc::new(MemoryAlerts::default()),
        accounts: Arc::new(MemoryAccounts::new(&[
            ("vera", "secret", Role::Viewer),
            ("anna", "secret", Role::Analyst),
            ("adam", "secret", Role::Admin),
        ])),
        traffic: Arc::new(SetTraffic::default()),
        ledger: Arc::new(SetLedger::default()),
        live: LiveFeed::new(4096),
        node: node(),
        info: Info {
            version: "1.2.3".to_owned(),
            policy: Arc::new(|| "0123456789abcdef".to_owned()),
            sites: Arc::new(|| vec!["shop".to_owned()]),
            started: Instant::now(),
        },
    }
}

impl Bench {
    pub(crate) async fn start() -> Bench {
        Bench::with(config(), LiveFeed::new(4096)).await
    }

    pub(crate) async fn with(config: Config, live: LiveFeed) -> Bench {
        let store = Arc::new(MemoryStore::new(10_000));
        let unready = Arc::new(Mutex::new(Vec::new()));
        let alerts = Arc::new(MemoryAlerts::default());
        let users =
            [("vera", "secret", Role::Viewer), ("anna", "secret", Role::Analyst), ("adam", "secret", Role::Admin)];
        let accounts = Arc::new(MemoryAccounts::new(&users));
        let (traffic, ledger) = (Arc::new(SetTraffic::default()), Arc::new(SetLedger::default()));
        let reasons = unready.clone();
        let console = Console {
            alerts: alerts.clone(),
            accounts: accounts.clone(),
            traffic: traffic.clone(),
            ledger: ledger.clone(),
            live: live.clone(),
            node: Node { readiness: Arc::new(move || reasons.lock().unwrap().clone()), ..node() },
            ..console(store.clone())
        };
        let server = Server::bind(config, console).await.unwrap();
        let address = server.address();
        let (stop, stopping) = watch::channel(false);
        let server = tokio::spawn(server.run(stopping));
        Bench { address, store, alerts, accounts, traffic, ledger, live, unready, stop, server }
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        send(self.address, request).await
    }

    pub(crate) async fn login(&self, username: &str) -> Login<'_> {
        let body = format!(r#"{{"username":"{username}","password":"secret"}}"#);
        let answer = self.send(&Request::new("POST", "/api/v1/session").json(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Login { bench: self, cookie, csrf: answer.json()["csrf"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn put_events(&self, events: &[SecurityEvent]) {
        let events: Vec<_> = events.iter().cloned().map(SharedEvent::new).collect();
        self.store.write(&events).await.unwrap();
    }

    pub(crate) async fn put_alert(&self, second: i64) -> Alert {
        let alert = alert(second);
        self.alerts.put(&alert).await.unwrap();
        alert
    }
}

/// A logged-in user.
pub(crate) struct Login<'a> {
    bench: &'a Bench,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Login<'_> {
    /// The request with the session's cookie and CSRF token.
    pub(crate) fn sign(&self, request: Request) -> Request {
        request.header("Cookie", &self.cookie).header("X-CSRF-Token", &self.csrf)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.bench.send(&self.sign(Request::new("GET", target))).await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        self.bench.send(&self.sign(Request::new(method, target).json(body))).await
    }

    pub(crate) async fn watch(&self) -> Stream {
        Stream::open(self.bench.address, &self.sign(Request::new("GET", "/api/v1/live"))).await
    }
}

pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

/// A blocked SQL injection so many seconds after [`start`].
pub(crate) fn event(second: i64) -> SecurityEvent {
    let timestamp = start() + TimeDelta::seconds(second);
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::from_parts(timestamp.timestamp_millis().unsigned_abs(), 1),
        timestamp,
        origin: Origin::new(Ulid::nil(), 0, 1),
        site: "shop".into(),
        client_ip: "203.0.113.7".parse().unwrap(),
        client_port: 4711,
        request: RequestSummary {
            method: "GET".into(),
            uri: format!("/search?q={second}+or+1=1"),
            headers: vec![("Host".into(), "shop.example".into())],
            ..RequestSummary::default()
        },
        status: 403,
        action: Action::Blocked,
        severity: Severity::new(85),
        rule_id: Some("942100".into()),
        attack_type: Some(AttackClass::Sqli),
        inbound_score: 5,
        outbound_score: 0,
        inbound_threshold: 5,
        paranoia_level: 1,
        findings: vec![Finding {
            rule_id: 942_100,
            phase: 2,
            message: "SQL Injection Attack Detected via libinjection".into(),
            data: String::new(),
            tags: Vec::new(),
            rule_severity: Some(2),
            variable: "ARGS:q".into(),
            matched: "1 or 1=1".into(),
            operator: "@detectSQLi".into(),
            scores: Vec::new(),
            file: "sqli.conf".into(),
            line: 9,
        }],
        policy: "0123456789abcdef".into(),
        track: Some(Track::RealTime),
        track_reason: None,
    }
}

/// An open alert so many seconds after [`start`].
pub(crate) fn alert(second: i64) -> Alert {
    let event = event(second);
    Alert {
        id: event.id,
        timestamp: event.timestamp,
        event_id: event.id,
        title: format!("SQL injection {second}"),
        severity: event.severity,
        attack_type: event.attack_type,
        client_ip: event.client_ip,
        site: event.site,
        rule_id: event.rule_id,
        count: 1,
        last_seen: event.timestamp,
        state: AlertState::Open,
        deliveries: Vec::new(),
    }
}
