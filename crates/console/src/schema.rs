//! The JSON shapes of the API for the OpenAPI document.
//!
//! What the API sends are the types of `parapet-event` and `parapet-ports`; those know serde only.
//! Each type here mirrors one of them field by field, and a test proves that every value of the
//! original reads and writes as its mirror, so that the document cannot drift from the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use ulid::Ulid;
use utoipa::ToSchema;

/// What was found in one transaction, and what was done about it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityEvent {
    /// Version of this structure.
    pub schema: u16,
    /// Unique, sortable by time (ULID); also the request id on the block page.
    #[schema(value_type = String, example = "01JDA5ZQ3V0000000000000000")]
    pub id: Ulid,
    /// When the request arrived.
    pub timestamp: DateTime<Utc>,
    /// Which worker produced it, and its number there.
    pub origin: Origin,
    /// Name of the protected site.
    pub site: String,
    /// Address of the client.
    #[schema(value_type = String, example = "203.0.113.7")]
    pub client_ip: IpAddr,
    /// Port of the client's connection.
    pub client_port: u16,
    /// The request, redacted.
    pub request: RequestSummary,
    /// Status sent to the client.
    pub status: u16,
    /// What was done.
    pub action: Action,
    /// Severity from 0 to 100: critical from 80, high from 60, medium from 40, low below.
    #[schema(minimum = 0, maximum = 100)]
    pub severity: u8,
    /// Id of the rule with the most points; null if the request could not be parsed.
    #[schema(required = true)]
    pub rule_id: Option<String>,
    /// Class of that rule.
    #[schema(required = true)]
    pub attack_type: Option<AttackClass>,
    /// Inbound anomaly score.
    pub inbound_score: u32,
    /// Outbound anomaly score.
    pub outbound_score: u32,
    /// Inbound score at which a request is blocked.
    pub inbound_threshold: u32,
    /// Blocking paranoia level, 1–4.
    pub paranoia_level: u8,
    /// Rules that matched, in order.
    pub findings: Vec<Finding>,
    /// Hash of the policy that decided (first 16 hex digits of SHA-256).
    pub policy: String,
    /// Track the router chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub track: Option<Track>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub track_reason: Option<TrackReason>,
}

/// Which producer numbered the event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Unique per start of a process (ULID).
    #[schema(value_type = String)]
    pub instance: Ulid,
    /// Worker number within the instance.
    pub worker: u16,
    /// Sequence number, from 1 without gaps per instance and worker.
    pub sequence: u64,
    /// Number of the event before it in the stream that it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous: Option<u64>,
}

/// The request as shown to an analyst. Bytes that are not UTF-8 read `\xHH`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSummary {
    /// Method as sent.
    pub method: String,
    /// Request target as sent.
    pub uri: String,
    /// Protocol as sent.
    pub protocol: String,
    /// Host header.
    pub host: String,
    /// User-Agent header.
    pub user_agent: String,
    /// All headers in order as name and value, sensitive ones redacted.
    pub headers: Vec<(String, String)>,
    /// Bytes of body received.
    pub body_bytes: u64,
}

/// What was done with a request.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Refused by a rule.
    Blocked,
    /// Let through, rules matched.
    Detected,
    /// Refused before any rule ran.
    Rejected,
}

/// Kind of attack.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttackClass {
    /// SQL injection.
    Sqli,
    /// Cross-site scripting.
    Xss,
    /// Remote command execution.
    Rce,
    /// Local file inclusion, path traversal.
    Lfi,
    /// Remote file inclusion.
    Rfi,
    /// PHP injection.
    InjectionPhp,
    /// Java attacks.
    InjectionJava,
    /// Other injection.
    InjectionGeneric,
    /// Session fixation.
    Fixation,
    /// Scanners and automated tools.
    Scanner,
    /// HTTP protocol abuse.
    Protocol,
    /// Requests that break the protocol or local policy.
    ProtocolViolation,
    /// Data leaking out in a response.
    Disclosure,
    /// A web shell answering.
    WebShell,
    /// Anything else.
    Generic,
}

/// Severity band: low 0–39, medium 40–59, high 60–79, critical 80–100.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeverityBand {
    /// 0–39
    Low,
    /// 40–59
    Medium,
    /// 60–79
    High,
    /// 80–100
    Critical,
}

/// Track of the pipeline.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// Processed for alerts within a second.
    RealTime,
    /// History, search, reports.
    Analytics,
}

/// Which classification rule chose the track.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "rule", content = "detail")]
pub enum TrackReason {
    /// The anomaly score reached the router's threshold.
    AnomalyScore(u32),
    /// The computed severity is in the critical band.
    CriticalSeverity(u8),
    /// A scanner rule matched.
    ScannerRule(u32),
    /// The user agent names a scanner.
    ScannerUserAgent(String),
    /// A rule of a critical family matched.
    CriticalRule(u32),
    /// The operator's script decided; the text is the reason it gave.
    Script(String),
    /// None of the above.
    Default,
    /// Nobody attacked: Parapet reports that so many events were lost.
    EventsLost(u64),
}

/// One rule that matched.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Rule id; 0 for findings of the HTTP parser itself.
    pub rule_id: u32,
    /// Phase in which it matched, 1–5.
    pub phase: u8,
    /// Message of the rule.
    pub message: String,
    /// `logdata` of the rule.
    pub data: String,
    /// Tags of the rule.
    pub tags: Vec<String>,
    /// SecLang severity of the rule, 0 EMERGENCY to 7 DEBUG.
    #[schema(required = true)]
    pub rule_severity: Option<u8>,
    /// Variable that matched.
    #[schema(example = "ARGS:q")]
    pub variable: String,
    /// The text that matched, after transformations.
    pub matched: String,
    /// Operator and its argument as in the rule.
    pub operator: String,
    /// Points the rule added to each score.
    pub scores: Vec<ScoreEntry>,
    /// Rule file name.
    pub file: String,
    /// Line in that file, from 1.
    pub line: u32,
}

/// One line of the score ledger.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreEntry {
    /// Name of the TX variable.
    #[schema(example = "inbound_anomaly_score_pl1")]
    pub score: String,
    /// Points added, negative if taken away.
    pub points: i64,
}

/// Raised when a real-time event is severe enough; repeats count onto the open alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Unique, sortable by time (ULID).
    #[schema(value_type = String)]
    pub id: Ulid,
    /// When it was raised.
    pub timestamp: DateTime<Utc>,
    /// Event that raised it (ULID).
    #[schema(value_type = String)]
    pub event_id: Ulid,
    /// One line for people.
    pub title: String,
    /// Severity of the event, 0–100.
    #[schema(minimum = 0, maximum = 100)]
    pub severity: u8,
    /// Class of the event.
    #[schema(required = true)]
    pub attack_type: Option<AttackClass>,
    /// Client of the event.
    #[schema(value_type = String)]
    pub client_ip: IpAddr,
    /// Site of the event.
    pub site: String,
    /// Rule with the most points.
    #[schema(required = true)]
    pub rule_id: Option<String>,
    /// Events counted onto this alert, the first included.
    pub count: u64,
    /// When the last of them arrived.
    pub last_seen: DateTime<Utc>,
    /// Triage state.
    pub state: AlertState,
    /// One entry per channel.
    pub deliveries: Vec<Delivery>,
}

/// Triage state of an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Nobody looked yet.
    Open,
    /// Somebody is on it.
    Acknowledged,
    /// Done.
    Closed,
}

/// Delivery of an alert to one channel.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Name of the channel in the configuration.
    pub channel: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When the state was reached.
    pub timestamp: DateTime<Utc>,
    /// Last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
}

/// State of a delivery.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Queued or being tried.
    Pending,
    /// The channel confirmed it.
    Delivered,
    /// Every attempt failed.
    Failed,
}

/// What to count by.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Track.
    Track,
    /// Class of the leading rule.
    AttackType,
    /// What was done.
    Action,
    /// Severity band.
    Severity,
    /// Client address.
    ClientIp,
    /// Leading rule.
    RuleId,
    /// Site.
    Site,
}

/// One count.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Start of the time bucket; null without an interval.
    #[schema(required = true)]
    pub time: Option<DateTime<Utc>>,
    /// Value of the key; empty where the event has none.
    pub key: String,
    /// Events.
    pub count: u64,
}

/// Requests counted since the gateway started.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficTotals {
    /// Requests answered in any way.
    pub requests: u64,
    /// Refused by a rule.
    pub blocked: u64,
    /// Refused before any rule ran.
    pub rejected: u64,
    /// Let through with findings.
    pub detected: u64,
    /// Answered 502 or 504 because the upstream failed.
    pub upstream_errors: u64,
}

/// Account of one hop of the pipeline: produced = delivered + dropped + in flight.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HopCount {
    /// Events handed to the hop.
    pub produced: u64,
    /// Events the hop confirmed.
    pub delivered: u64,
    /// Events given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Events that are neither delivered nor dropped.
    pub in_flight: u64,
}

/// What a principal may do. Each role includes the ones before it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Dashboards only.
    Viewer,
    /// Read and investigate, triage alerts.
    Analyst,
    /// Everything.
    Admin,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// Writes the original, reads it as the mirror, writes the mirror: both JSON texts are the same.
    fn assert_mirror<Mirror: Serialize + DeserializeOwned>(original: &impl Serialize) {
        let sent = serde_json::to_value(original).unwrap();
        let mirror: Mirror = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(serde_json::to_value(mirror).unwrap(), sent);
    }

    fn event() -> parapet_event::SecurityEvent {
        let now = Utc::now();
        parapet_event::SecurityEvent {
            schema: parapet_event::SecurityEvent::SCHEMA,
            id: Ulid::from_parts(1, 2),
            timestamp: now,
            origin: parapet_event::Origin {
                previous: Some(6),
                ..parapet_event::Origin::new(Ulid::from_parts(3, 4), 1, 7)
            },
            site: "shop".into(),
            client_ip: "203.0.113.7".parse().unwrap(),
            client_port: 4711,
            request: parapet_event::RequestSummary {
                headers: vec![("Host".into(), "shop.example".into())],
                ..Default::default()
            },
            status: 403,
            action: parapet_event::Action::Blocked,
            severity: parapet_event::Severity::new(85),
            rule_id: None,
            attack_type: Some(parapet_event::AttackClass::Sqli),
            inbound_score: 5,
            outbound_score: 0,
            inbound_threshold: 5,
            paranoia_level: 1,
            findings: vec![parapet_event::Finding {
                rule_id: 942_100,
                phase: 2,
                message: "SQL injection".into(),
                data: String::new(),
                tags: vec!["attack-sqli".into()],
                rule_severity: None,
                variable: "ARGS:q".into(),
                matched: "1 or 1=1".into(),
                operator: "@detectSQLi".into(),
                scores: vec![parapet_event::ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points: 5 }],
                file: "sqli.conf".into(),
                line: 1,
            }],
            policy: "0123456789abcdef".into(),
            track: None,
            track_reason: None,
        }
    }

    #[test]
    fn security_event_is_mirrored_exactly() {
        use parapet_event::TrackReason as Reason;
        let mut event = event();
        assert_mirror::<SecurityEvent>(&event);
        event.rule_id = Some("942100".into());
        for track in [parapet_event::Track::RealTime, parapet_event::Track::Analytics] {
            event.track = Some(track);
            assert_mirror::<SecurityEvent>(&event);
        }
        for reason in [
            Reason::AnomalyScore(50),
            Reason::CriticalSeverity(85),
            Reason::ScannerRule(913_100),
            Reason::ScannerUserAgent("sqlmap".into()),
            Reason::CriticalRule(942_100),
            Reason::Script("watched".into()),
            Reason::Default,
        ] {
            event.track_reason = Some(reason);
            assert_mirror::<SecurityEvent>(&event);
        }
    }

    #[test]
    fn alert_is_mirrored_exactly() {
        use parapet_event::{AlertState as State, DeliveryState as Done};
        let event = event();
        let delivery = |state, error| parapet_event::Delivery {
            channel: "log".into(),
            state,
            attempts: 1,
            timestamp: event.timestamp,
            error,
        };
        for state in [State::Open, State::Acknowledged, State::Closed] {
            assert_mirror::<Alert>(&parapet_event::Alert {
                id: event.id,
                timestamp: event.timestamp,
                event_id: event.id,
                title: "SQL injection".into(),
                severity: event.severity,
                attack_type: None,
                client_ip: event.client_ip,
                site: event.site.clone(),
                rule_id: None,
                count: 2,
                last_seen: event.timestamp,
                state,
                deliveries: vec![
                    delivery(Done::Pending, None),
                    delivery(Done::Delivered, None),
                    delivery(Done::Failed, Some("timeout".into())),
                ],
            });
        }
    }

    #[test]
    fn names_are_mirrored_exactly() {
        use parapet_event::{Action as A, GroupBy as G, SeverityBand as S};
        parapet_event::AttackClass::ALL.iter().for_each(assert_mirror::<AttackClass>);
        [A::Blocked, A::Detected, A::Rejected].iter().for_each(assert_mirror::<Action>);
        [S::Low, S::Medium, S::High, S::Critical].iter().for_each(assert_mirror::<SeverityBand>);
        [G::Track, G::AttackType, G::Action, G::Severity, G::ClientIp, G::RuleId, G::Site]
            .iter()
            .for_each(assert_mirror::<GroupBy>);
        use parapet_ports::accounts::Role as R;
        [R::Viewer, R::Analyst, R::Admin].iter().for_each(assert_mirror::<Role>);
    }

    #[test]
    fn counts_are_mirrored_exactly() {
        assert_mirror::<TrafficTotals>(&parapet_ports::traffic::TrafficTotals { requests: 3, ..Default::default() });
        for time in [None, Some(Utc::now())] {
            assert_mirror::<Bucket>(&parapet_event::Bucket { time, key: "sqli".into(), count: 3 });
        }
    }
}
