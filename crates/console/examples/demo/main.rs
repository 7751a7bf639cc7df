//! The console over made-up but plausible traffic, for work on the web UI: a day of history and a
//! few events every second. Everything lives in memory.
//!
//! `cargo run -p parapet-console --example demo [ADDRESS]`, then log in as admin, analyst or viewer
//! with the password `demo`.

#[allow(clippy::unwrap_used, reason = "shared with the tests")]
#[path = "../../tests/api/seams.rs"]
mod seams;
mod traffic;

use chrono::{Duration, Utc};
use parapet_console::{Config, Console, Info, Node, Server};
use parapet_event::{Action, Alert, AlertState, Delivery, DeliveryState, SecurityEvent, SeverityBand, Track};
use parapet_ports::accounts::Role;
use parapet_ports::alerts::AlertQuery;
use parapet_ports::ledger::HopCount;
use parapet_ports::live::LiveMessage;
use parapet_ports::{AlertStore, EventStore, LiveFeed, SharedEvent};
use seams::{MemoryAccounts, MemoryAlerts, MemoryStore, SetLedger, SetTraffic};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use ulid::Ulid;

/// Events of the day before the start.
const HISTORY: i64 = 4_000;

#[derive(Default)]
struct Demo {
    alerts: Arc<MemoryAlerts>,
    traffic: Arc<SetTraffic>,
    ledger: Arc<SetLedger>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut config = Config::default();
    if let Some(address) = std::env::args().nth(1) {
        config.bind = address.parse()?;
    }
    let demo = Demo::default();
    let store = Arc::new(MemoryStore::new(50_000));
    let live = LiveFeed::new(1024);
    let users = [("admin", Role::Admin), ("analyst", Role::Analyst), ("viewer", Role::Viewer)];
    let console = Console {
        store: store.clone(),
        alerts: demo.alerts.clone(),
        accounts: Arc::new(MemoryAccounts::new(&users.map(|(name, role)| (name, "demo", role)))),
        traffic: demo.traffic.clone(),
        ledger: demo.ledger.clone(),
        live: live.clone(),
        node: Node {
            metrics: Arc::new(|| "# TYPE parapet_demo gauge\nparapet_demo 1\n".to_owned()),
            readiness: Arc::new(Vec::new),
            peers: None,
        },
        info: Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: Arc::new(|| traffic::POLICY.to_owned()),
            sites: Arc::new(|| traffic::SITES.map(str::to_owned).to_vec()),
            started: Instant::now(),
        },
    };
    let mut history = Vec::new();
    for _ in 0..HISTORY {
        let event = traffic::event(Utc::now() - Duration::milliseconds(rand::random_range(0..86_400_000)));
        demo.count(&event);
        history.push(SharedEvent::new(event));
    }
    history.sort_by_key(|event| event.timestamp);
    for event in &history {
        demo.raise(event, history.len() / 40).await?;
    }
    store.write(&history).await?;
    demo.traffic.0.lock().unwrap_or_else(|broken| broken.into_inner()).requests = 1_900_000;

    let server = Server::bind(config, console).await?;
    tracing::info!("log in at http://{} as admin, analyst or viewer with the password demo", server.address());
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        let _ = stop.send(true);
    });
    tokio::select! {
        () = server.run(stopping) => Ok(()),
        failed = demo.run(store, live) => failed,
    }
}

impl Demo {
    /// Lets traffic happen, for ever.
    async fn run(&self, store: Arc<MemoryStore>, live: LiveFeed) -> Result<(), Box<dyn Error>> {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(rand::random_range(80..700))).await;
            if let Ok(mut totals) = self.traffic.0.lock() {
                totals.requests += rand::random_range(30..110);
            }
            let event = SharedEvent::new(traffic::event(Utc::now()));
            self.count(&event);
            store.write(std::slice::from_ref(&event)).await?;
            live.publish(LiveMessage::Event(event.clone()));
            if let Some(alert) = self.raise(&event, 20).await? {
                live.publish(LiveMessage::Alert(Arc::new(alert)));
            }
        }
    }

    fn count(&self, event: &SecurityEvent) {
        if let Ok(mut totals) = self.traffic.0.lock() {
            totals.requests += 1;
            match event.action {
                Action::Blocked => totals.blocked += 1,
                Action::Detected => totals.detected += 1,
                Action::Rejected => totals.rejected += 1,
            }
            totals.upstream_errors += u64::from(rand::random_bool(0.02));
        }
        if let Ok(mut hops) = self.ledger.0.lock() {
            let realtime = event.track == Some(Track::RealTime);
            for (name, passes) in
                [("spool", true), ("track:realtime", realtime), ("track:analytics", true), ("store:memory", true)]
            {
                let hop: &mut HopCount = hops.entry(name.to_owned()).or_default();
                hop.produced += u64::from(passes);
                hop.delivered = hop.produced.saturating_sub(if name == "store:memory" { 3 } else { 0 });
            }
        }
    }

    /// Raises an alert, or counts onto an open one of the same client and class, as the pipeline
    /// does; looks back over `recent` alerts.
    async fn raise(&self, event: &SecurityEvent, recent: usize) -> Result<Option<Alert>, Box<dyn Error>> {
        if event.severity.band() != SeverityBand::Critical || event.track != Some(Track::RealTime) {
            return Ok(None);
        }
        let query = AlertQuery { limit: recent.max(1), state: Some(AlertState::Open), ..AlertQuery::default() };
        let open = self.alerts.list(&query).await?;
        let same = |alert: &&Alert| alert.client_ip == event.client_ip && alert.attack_type == event.attack_type;
        let alert = match open.iter().find(same) {
            Some(alert) => Alert { count: alert.count + 1, last_seen: event.timestamp, ..alert.clone() },
            None => new_alert(event),
        };
        self.alerts.put(&alert).await?;
        Ok(Some(alert))
    }
}

fn new_alert(event: &SecurityEvent) -> Alert {
    let message = event.findings.first().map_or("Attack", |finding| finding.message.as_str());
    let old = Utc::now() - event.timestamp > Duration::hours(3);
    let failed = rand::random_bool(0.1);
    Alert {
        id: Ulid::from_datetime(event.timestamp.into()),
        timestamp: event.timestamp,
        event_id: event.id,
        title: format!("{message} from {} on {}", event.client_ip, event.site),
        severity: event.severity,
        attack_type: event.attack_type,
        client_ip: event.client_ip,
        site: event.site.clone(),
        rule_id: event.rule_id.clone(),
        count: 1,
        last_seen: event.timestamp,
        state: match rand::random_range(0..3) {
            0 if old => AlertState::Acknowledged,
            1 if old => AlertState::Closed,
            _ => AlertState::Open,
        },
        deliveries: vec![
            delivery(event, "log", None),
            delivery(event, "soc-webhook", failed.then_some("connection refused (4 attempts)")),
        ],
    }
}

fn delivery(event: &SecurityEvent, channel: &str, error: Option<&str>) -> Delivery {
    Delivery {
        channel: channel.to_owned(),
        state: if error.is_some() { DeliveryState::Failed } else { DeliveryState::Delivered },
        attempts: if error.is_some() { 4 } else { 1 },
        timestamp: event.timestamp + Duration::milliseconds(140),
        error: error.map(str::to_owned),
    }
}
