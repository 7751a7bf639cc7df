//! One event per transaction with findings.

use crate::{AttackClass, Severity, Track, TrackReason};
use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use ulid::Ulid;

/// A text of which an event has many, such as a tag. Up to 24 bytes take no memory of their own, which spares
/// more than half of the allocations of reading or copying an event.
pub type ShortText = CompactString;

/// What the gateway (or another WAF) found in one transaction: who, what, which rules, how many
/// points, and what was done about it.
///
/// Bytes that are not UTF-8 are shown as `\xHH` in every text field. Sensitive headers are redacted
/// before an event is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// Version of this structure, see [`SecurityEvent::SCHEMA`].
    pub schema: u16,
    /// Unique, sortable by time; also the request id that the client sees on the block page.
    pub id: Ulid,
    /// When the request arrived.
    pub timestamp: DateTime<Utc>,
    /// Which worker produced it, and its number there.
    pub origin: Origin,
    /// Name of the protected site (virtual host in the configuration).
    pub site: String,
    /// Address of the client, after trusted forwarding headers were applied.
    pub client_ip: IpAddr,
    /// Port of the client's connection.
    pub client_port: u16,
    /// The request, redacted.
    pub request: RequestSummary,
    /// Status sent to the client.
    pub status: u16,
    /// What was done.
    pub action: Action,
    /// Severity from 0 to 100, see `pipeline` for how it is computed.
    pub severity: Severity,
    /// Id of the rule with the most points, as text; absent if the request could not be parsed.
    pub rule_id: Option<String>,
    /// Class of that rule.
    pub attack_type: Option<AttackClass>,
    /// Inbound anomaly score (sum of points of all request rules at the blocking paranoia level).
    pub inbound_score: u32,
    /// Outbound anomaly score.
    pub outbound_score: u32,
    /// Score at which a request is blocked under the policy.
    pub inbound_threshold: u32,
    /// Blocking paranoia level, 1–4.
    pub paranoia_level: u8,
    /// Rules that matched, in order.
    pub findings: Vec<Finding>,
    /// Hash of the policy that decided (first 16 hex digits of SHA-256).
    pub policy: String,
    /// Track the router chose; absent before the router saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Track>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_reason: Option<TrackReason>,
}

impl SecurityEvent {
    /// Current version of the structure. Readers accept this and older versions; fields are only
    /// ever added, and a field with a new meaning gets a new name.
    pub const SCHEMA: u16 = 1;

    /// Value of a request header (first one, name in any case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Which producer numbered this event. `sequence` counts from 1 without gaps per (instance, worker), and
/// `previous` links the events of a producer in a stream to a chain, which is what lets the ledger prove
/// that nothing was lost: what was dropped on purpose is in no chain, and what is missing from one was lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Unique per start of a process.
    pub instance: Ulid,
    /// Worker number within the instance.
    pub worker: u16,
    /// Sequence number.
    pub sequence: u64,
    /// Number of the event of this producer that was appended to the stream before this one, by the same
    /// process; absent from the first that a process appends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
}

impl Origin {
    /// The number `sequence` of a producer, not appended to any stream yet.
    pub fn new(instance: Ulid, worker: u16, sequence: u64) -> Self {
        Origin { instance, worker, sequence, previous: None }
    }
}

/// The request as shown to an analyst.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestSummary {
    /// Method as sent.
    pub method: String,
    /// Request target as sent (path and query).
    pub uri: String,
    /// Protocol as sent, for example `HTTP/1.1`.
    pub protocol: String,
    /// Host header.
    pub host: String,
    /// User-Agent header.
    pub user_agent: String,
    /// All headers in order, sensitive ones redacted.
    pub headers: Vec<(ShortText, ShortText)>,
    /// Bytes of body received.
    pub body_bytes: u64,
}

/// What was done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Refused by a rule.
    Blocked,
    /// Let through, rules matched (detection only, or the score stayed below the threshold).
    Detected,
    /// Refused before any rule ran: not HTTP, or over a hard limit.
    Rejected,
}

impl Action {
    /// The name used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Blocked => "blocked",
            Action::Detected => "detected",
            Action::Rejected => "rejected",
        }
    }
}

/// One rule that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id; 0 for findings of Parapet itself.
    pub rule_id: u32,
    /// Phase in which it matched, 1–5.
    pub phase: u8,
    /// Message of the rule, macros expanded.
    pub message: String,
    /// `logdata` of the rule, macros expanded.
    pub data: String,
    /// Tags of the rule.
    pub tags: Vec<ShortText>,
    /// SecLang severity of the rule (0 EMERGENCY … 7 DEBUG), if it has one.
    pub rule_severity: Option<u8>,
    /// Variable that matched, for example `ARGS:q`.
    pub variable: String,
    /// The text that matched (after transformations), cut to 512 bytes.
    pub matched: String,
    /// Operator and its argument as in the rule, cut to 512 bytes.
    pub operator: String,
    /// Points the rule added to each score, for example `inbound_anomaly_score_pl1 +5`.
    pub scores: Vec<ScoreEntry>,
    /// Rule file name and line.
    pub file: String,
    /// Line in that file, from 1.
    pub line: u32,
}

impl Finding {
    /// What Parapet itself has to say, in the form of a rule's finding.
    pub fn of_parapet(phase: u8, message: String) -> Finding {
        Finding {
            rule_id: 0,
            phase,
            message,
            data: String::new(),
            tags: Vec::new(),
            rule_severity: None,
            variable: String::new(),
            matched: String::new(),
            operator: String::new(),
            scores: Vec::new(),
            file: String::new(),
            line: 0,
        }
    }

    /// Points this rule added to the inbound and outbound anomaly scores together.
    pub fn points(&self) -> i64 {
        self.scores.iter().map(|entry| entry.points).sum()
    }
}

/// One line of the score ledger: a rule changed a score by so many points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreEntry {
    /// Name of the TX variable, for example `inbound_anomaly_score_pl1`.
    pub score: String,
    /// Points added (negative if taken away).
    pub points: i64,
}
