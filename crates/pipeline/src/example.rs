//! Events for the tests of this room.

use chrono::Utc;
use parapet_event::{Action, AttackClass, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Severity};
use ulid::Ulid;

/// A request that one SQL injection rule of CRS blocked, numbered `sequence`.
pub(crate) fn event(sequence: u64) -> SecurityEvent {
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::generate(),
        timestamp: Utc::now(),
        origin: Origin::new(Ulid::from_parts(1, 1), 0, sequence),
        site: "shop".into(),
        client_ip: [203, 0, 113, 9].into(),
        client_port: 50_000,
        request: RequestSummary {
            method: "GET".into(),
            uri: "/item?id=1%20or%201=1".into(),
            protocol: "HTTP/1.1".into(),
            host: "shop.example".into(),
            user_agent: "Mozilla/5.0".into(),
            headers: vec![("Host".into(), "shop.example".into())],
            body_bytes: 0,
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
        findings: vec![finding(942_100, Some(2), 5)],
        policy: "0123456789abcdef".into(),
        track: None,
        track_reason: None,
    }
}

/// A finding of a rule with this severity that added so many inbound points.
pub(crate) fn finding(rule_id: u32, rule_severity: Option<u8>, points: i64) -> Finding {
    Finding {
        rule_id,
        phase: 2,
        message: "SQL Injection Attack Detected via libinjection".into(),
        data: "Matched Data: 1&1 found within ARGS:id: 1 or 1=1".into(),
        tags: vec!["OWASP_CRS".into()],
        rule_severity,
        variable: "ARGS:id".into(),
        matched: "1 or 1=1".into(),
        operator: "@detectSQLi".into(),
        scores: vec![ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points }],
        file: "rules.conf".into(),
        line: 1,
    }
}
