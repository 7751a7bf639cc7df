//! The JSON by hand against that of serde.

use super::*;
use crate::{Severity, ShortText};
use chrono::{Datelike, Timelike};
use ulid::Ulid;

fn event(text: &str, timestamp: &str, track_reason: Option<TrackReason>) -> SecurityEvent {
    let finding = Finding {
        data: text.into(),
        tags: vec![text.into(), "attack-sqli".into()],
        rule_severity: Some(2),
        scores: vec![ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points: -5 }],
        line: 45,
        ..Finding::of_parapet(2, text.into())
    };
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::from_parts(1 << 40, 7),
        timestamp: timestamp.parse().unwrap(),
        origin: Origin { previous: track_reason.as_ref().map(|_| u64::MAX), ..Origin::new(Ulid::max(), 9, 10) },
        site: text.into(),
        client_ip: if text.is_empty() { [192, 0, 2, 1].into() } else { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into() },
        client_port: u16::MAX,
        request: RequestSummary {
            uri: text.into(),
            headers: vec![("Host".into(), text.into()), (text.into(), ShortText::default())],
            ..RequestSummary::default()
        },
        status: 403,
        action: Action::Detected,
        severity: Severity::MAX,
        rule_id: (!text.is_empty()).then(|| text.into()),
        attack_type: track_reason.as_ref().map(|_| AttackClass::InjectionPhp),
        inbound_score: 0,
        outbound_score: 100,
        inbound_threshold: 5,
        paranoia_level: 4,
        findings: vec![finding.clone(), Finding { rule_severity: None, tags: Vec::new(), ..finding }],
        policy: "0123456789abcdef".into(),
        track: track_reason.as_ref().map(|_| Track::RealTime),
        track_reason,
    }
}

fn events() -> Vec<SecurityEvent> {
    let every_ascii: String = (0..128_u8).map(char::from).collect();
    let texts = ["", "plain", "Straße 日本 \u{7f}\u{80}\u{9f}\u{2028}", "ends in \"", "\\u0041\\", &every_ascii];
    let times = [
        "2026-01-31T23:59:59Z",
        "0000-01-01T00:00:00.001Z",
        "9999-12-31T01:02:03.000004Z",
        "2026-02-28T10:20:30.123456789Z",
        "2016-12-31T23:59:60.5Z",
        "+10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
    ];
    let reasons = [
        None,
        Some(TrackReason::AnomalyScore(55)),
        Some(TrackReason::CriticalSeverity(90)),
        Some(TrackReason::ScannerRule(913_100)),
        Some(TrackReason::ScannerUserAgent("sqlmap \"1.8\"".into())),
        Some(TrackReason::CriticalRule(942_100)),
        Some(TrackReason::Script("night".into())),
        Some(TrackReason::Default),
        Some(TrackReason::EventsLost(u64::MAX)),
    ];
    let number = texts.len().max(times.len()).max(reasons.len());
    let event = |index| {
        let reason = reasons.get(index % reasons.len()).cloned().flatten();
        event(texts[index % texts.len()], times[index % times.len()], reason)
    };
    (0..2 * number).map(event).collect()
}

#[test]
fn an_event_is_written_as_serde_writes_it() {
    for event in events() {
        assert_eq!(write(&event), serde_json::to_string(&event).unwrap());
    }
}

#[test]
fn names_are_those_of_serde() {
    let text = |value: &dyn Fn(&mut String)| {
        let mut json = String::new();
        value(&mut json);
        json
    };
    for action in [Action::Blocked, Action::Detected, Action::Rejected] {
        assert_eq!(text(&|json| action.write(json)), serde_json::to_string(&action).unwrap());
    }
    for track in [Track::RealTime, Track::Analytics] {
        assert_eq!(text(&|json| track.write(json)), serde_json::to_string(&track).unwrap());
    }
}

#[test]
fn what_was_written_is_read_except_times_that_are_rare() {
    for event in events() {
        let ordinary = (0..=9999).contains(&event.timestamp.year()) && event.timestamp.nanosecond() < 1_000_000_000;
        assert_eq!(read(&write(&event)), ordinary.then_some(event));
    }
}

#[test]
fn nothing_is_read_that_serde_reads_otherwise() {
    let json = write(&event("\"\u{1}é", "2026-01-31T23:59:59.25Z", Some(TrackReason::Script("a\\".into()))));
    for at in 0..json.len() {
        for byte in *b"\"\\0+-.u" {
            let mut replaced = json.clone().into_bytes();
            replaced[at] = byte;
            let mut longer = json.clone().into_bytes();
            longer.insert(at, byte);
            let mut shorter = json.clone().into_bytes();
            shorter.remove(at);
            for changed in [replaced, longer, shorter] {
                let Ok(changed) = String::from_utf8(changed) else { continue };
                if let Some(event) = read(&changed) {
                    assert_eq!(event, serde_json::from_str(&changed).unwrap(), "{changed}");
                }
            }
        }
    }
}
