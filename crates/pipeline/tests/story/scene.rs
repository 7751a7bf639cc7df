//! One pipeline with everything around it, and the events that go through it.

use crate::seams::{MemoryAlerts, MemoryChannel, MemoryStore};
use chrono::Utc;
use parapet_embedded::journal::{self, Journal};
use parapet_event::{Action, AttackClass, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Severity};
use parapet_pipeline::sources::intake::Feed;
use parapet_pipeline::spool::Spool;
use parapet_pipeline::{AnalyticsParts, Config, IntakeParts, Parts, Pipeline, RealTimeParts, RouterParts, Running};
use parapet_ports::ledger::HopCount;
use parapet_ports::{Channel, EventSink, EventStream, Ledger, LiveFeed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ulid::Ulid;

/// What outlives a restart of the pipeline.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) alerts: Arc<MemoryAlerts>,
    pub(crate) channels: Vec<Arc<MemoryChannel>>,
    pub(crate) live: LiveFeed,
}

impl World {
    pub(crate) fn new(channels: Vec<Arc<MemoryChannel>>) -> Self {
        World {
            directory: tempfile::tempdir().unwrap(),
            store: Arc::default(),
            alerts: Arc::default(),
            channels,
            live: LiveFeed::new(1024),
        }
    }

    pub(crate) async fn journal(&self, name: &str) -> Arc<dyn EventStream> {
        let directory = self.directory.path().join(name);
        Arc::new(Journal::open(name, journal::Config::default(), &directory).await.unwrap())
    }

    /// Starts a pipeline on this world's journals. `config` is the pipeline's table.
    pub(crate) async fn start(&self, config: &str) -> Running {
        self.start_parts(config, self.parts().await).await
    }

    /// The same with the given spool stream.
    pub(crate) async fn start_with(&self, config: &str, spool: Arc<dyn EventStream>) -> Running {
        self.start_parts(config, self.parts_on(spool).await).await
    }

    /// The same with the given parts.
    pub(crate) async fn start_parts(&self, config: &str, parts: Parts) -> Running {
        let config: Config = toml::from_str(config).unwrap();
        Pipeline::start(config, parts).await.unwrap()
    }

    /// This world's journals, stores and channels, all in one process.
    pub(crate) async fn parts(&self) -> Parts {
        self.parts_on(self.journal("spool").await).await
    }

    /// The same with the log of another WAF.
    pub(crate) async fn parts_reading(&self, log: Feed) -> Parts {
        let mut parts = self.parts().await;
        if let Some(intake) = &mut parts.intake {
            intake.sources.push(log);
        }
        parts
    }

    /// The same with the given spool stream.
    pub(crate) async fn parts_on(&self, spool: Arc<dyn EventStream>) -> Parts {
        let (realtime, analytics) = (self.journal("realtime").await, self.journal("analytics").await);
        Parts {
            intake: Some(IntakeParts { spool: spool.clone(), sources: Vec::new() }),
            router: Some(RouterParts { spool, realtime: realtime.clone(), analytics: analytics.clone() }),
            realtime: Some(RealTimeParts {
                stream: realtime,
                alerts: self.alerts.clone(),
                channels: self.channels.iter().map(|channel| channel.clone() as Arc<dyn Channel>).collect(),
                state: None,
                events: Some(self.store.clone()),
            }),
            analytics: Some(AnalyticsParts { stream: analytics, store: self.store.clone(), reports: None }),
            live: self.live.clone(),
            directory: self.directory.path().join("pipeline"),
        }
    }

    /// The same parts again.
    pub(crate) fn parts_of(&self, parts: &Parts) -> Parts {
        Parts {
            intake: parts
                .intake
                .as_ref()
                .map(|intake| IntakeParts { spool: intake.spool.clone(), sources: Vec::new() }),
            router: parts.router.clone(),
            realtime: parts.realtime.clone(),
            analytics: parts.analytics.clone(),
            live: parts.live.clone(),
            directory: parts.directory.clone(),
        }
    }

    /// The lines of the dead letter file.
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        dead_letters(self.directory.path())
    }
}

fn dead_letters(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("pipeline/dead-letter.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Checks that nothing is in flight, so that produced = delivered + dropped at every hop.
pub(crate) fn assert_adds_up(ledger: &dyn Ledger) -> BTreeMap<String, HopCount> {
    let snapshot = ledger.snapshot();
    for (hop, count) in &snapshot {
        let gone = count.delivered + count.dropped.values().sum::<u64>();
        assert_eq!(count.produced, gone, "{hop}: {count:?}");
    }
    snapshot
}

/// Numbers of events, in order.
pub(crate) fn sequences(events: &[SecurityEvent]) -> Vec<u64> {
    events.iter().map(|event| event.origin.sequence).collect()
}

/// Submits the events of these numbers; each client has an address of its own.
pub(crate) fn submit(running: &Running, numbers: impl IntoIterator<Item = u64>) -> Vec<SecurityEvent> {
    let events: Vec<_> = numbers.into_iter().map(attack).collect();
    for event in &events {
        sink(running).submit(event.clone());
    }
    events
}

/// Where events go in.
pub(crate) fn sink(running: &Running) -> Arc<Spool> {
    running.sink().expect("this pipeline takes events in")
}

/// A blocked SQL injection, from a client of its own.
pub(crate) fn attack(sequence: u64) -> SecurityEvent {
    let [_, _, _, _, _, a, b, c] = sequence.to_be_bytes();
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::generate(),
        timestamp: Utc::now(),
        origin: Origin::new(Ulid::from_parts(1, 1), 0, sequence),
        site: "shop".into(),
        client_ip: [10, a, b, c].into(),
        client_port: 50_000,
        request: RequestSummary {
            method: "GET".into(),
            uri: "/item?id=1%20or%201=1".into(),
            user_agent: "Mozilla/5.0".into(),
            ..RequestSummary::default()
        },
        status: 403,
        action: Action::Blocked,
        severity: Severity::default(),
        rule_id: Some("942100".into()),
        attack_type: Some(AttackClass::Sqli),
        inbound_score: 5,
        outbound_score: 0,
        inbound_threshold: 5,
        paranoia_level: 1,
        findings: vec![finding(942_100, AttackClass::Sqli)],
        policy: "0123456789abcdef".into(),
        track: None,
        track_reason: None,
    }
}

/// A request that is only a little odd: analytics track.
pub(crate) fn oddity(sequence: u64) -> SecurityEvent {
    SecurityEvent {
        rule_id: Some("920350".into()),
        attack_type: Some(AttackClass::ProtocolViolation),
        inbound_score: 3,
        action: Action::Detected,
        status: 200,
        findings: vec![Finding { rule_severity: Some(4), ..finding(920_350, AttackClass::ProtocolViolation) }],
        ..attack(sequence)
    }
}

/// A request of a tool that gives its name: analytics track, whatever it scores.
pub(crate) fn scan(sequence: u64) -> SecurityEvent {
    let mut event = attack(sequence);
    event.request.user_agent = "sqlmap/1.8#stable".into();
    event
}

fn finding(rule_id: u32, class: AttackClass) -> Finding {
    Finding {
        rule_id,
        phase: 2,
        message: "a rule matched".into(),
        data: String::new(),
        tags: vec![format!("attack-{}", class.as_str()).into()],
        rule_severity: Some(2),
        variable: "ARGS:id".into(),
        matched: "1 or 1=1".into(),
        operator: "@detectSQLi".into(),
        scores: vec![ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points: 5 }],
        file: "rules.conf".into(),
        line: 1,
    }
}
