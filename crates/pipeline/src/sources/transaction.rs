//! What any WAF says about one transaction, and how it becomes a security event.
//!
//! What the log does not say is derived, by the rules of CRS:
//!
//! - **Points** of a finding: 5 for a critical rule, 4 error, 3 warning, 2 notice, in the families
//!   that score (inbound 911–948, outbound 950–956). **Scores** are taken from the message of the
//!   blocking rule ("Total Score: 15") where it matched, otherwise they are the sum of the points.
//!   (That sum is a lower bound: a rule that matched several variables may be logged once.)
//! - **Threshold** is what the blocking rule compared with, otherwise 5.
//! - **Action** is *blocked* where the log says that the transaction was interrupted, or where the
//!   engine is on and a blocking rule (949, 959) or a failed body parser (200002 and the like)
//!   matched; *rejected* for any other 400; otherwise *detected*.
//! - **Time**: local time without a zone is corrected by the time in the transaction's id
//!   ([`super::time`]).
//!
//! Headers that hold credentials are redacted.

use super::identity::event_id;
use super::{Refused, rule_match};
use crate::severity::class_of;
use chrono::{DateTime, Utc};
use parapet_event::{Action, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Severity};
use std::borrow::Cow;
use std::net::IpAddr;
use ulid::Ulid;

/// Headers whose values are never kept, in lower case.
const SENSITIVE_HEADERS: &[&str] =
    &["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"];
pub(super) const REDACTED: &str = "[redacted]";
/// Scores of the paranoia levels from 1 to 4.
const INBOUND_SCORES: [&str; 4] = [
    "inbound_anomaly_score_pl1",
    "inbound_anomaly_score_pl2",
    "inbound_anomaly_score_pl3",
    "inbound_anomaly_score_pl4",
];
const OUTBOUND_SCORES: [&str; 4] = [
    "outbound_anomaly_score_pl1",
    "outbound_anomaly_score_pl2",
    "outbound_anomaly_score_pl3",
    "outbound_anomaly_score_pl4",
];
/// CRS's default inbound threshold.
const THRESHOLD: u32 = 5;
/// Longest text kept of what a rule says, in bytes.
const TEXT_BYTES_MAX: usize = 8192;

/// One transaction as a log tells it.
#[derive(Debug, Default)]
pub(super) struct Transaction<'a> {
    pub(super) unique_id: Cow<'a, str>,
    pub(super) server_id: Cow<'a, str>,
    pub(super) client_ip: Cow<'a, str>,
    pub(super) client_port: u16,
    /// `None` if the log's text is no time.
    pub(super) time: Option<DateTime<Utc>>,
    pub(super) method: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    pub(super) protocol: Cow<'a, str>,
    pub(super) headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// If it is known other than by a Host header.
    pub(super) host: Cow<'a, str>,
    pub(super) status: u16,
    pub(super) engine_on: bool,
    /// If the log says it.
    pub(super) interrupted: Option<bool>,
    pub(super) policy: String,
    pub(super) messages: Vec<Message<'a>>,
    /// If the log is our own: the id of the event that was made then.
    pub(super) own_id: Option<Ulid>,
}

/// One rule that matched.
#[derive(Debug, Default, Clone)]
pub(super) struct Message<'a> {
    /// How it matched, in the words of the WAF.
    pub(super) matched: Cow<'a, str>,
    pub(super) rule_id: u32,
    /// 0 if the log does not say.
    pub(super) phase: u8,
    pub(super) message: Cow<'a, str>,
    pub(super) data: Cow<'a, str>,
    pub(super) severity: Option<u8>,
    pub(super) tags: Vec<Cow<'a, str>>,
    pub(super) file: Cow<'a, str>,
    pub(super) line: u32,
}

/// Severity as a number or by its name, in any case.
pub(super) fn severity(text: &str) -> Option<u8> {
    const NAMES: [&str; 8] = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    let named = || (0..).zip(NAMES).find(|(_, name)| text.eq_ignore_ascii_case(name)).map(|(number, _)| number);
    text.parse().ok().filter(|number| *number <= 7).or_else(named)
}

impl Transaction<'_> {
    /// The event, unnumbered and without a site.
    ///
    /// # Errors
    /// If a part without which there is no event is missing, or no rule matched.
    pub(super) fn into_event(self) -> Result<SecurityEvent, Refused> {
        let client_ip: IpAddr = self.client_ip.parse().map_err(|_| unusable("client address", &self.client_ip))?;
        let timestamp = self.time.ok_or_else(|| unusable("time", ""))?;
        if self.unique_id.is_empty() {
            return Err(unusable("transaction id", ""));
        }
        let interrupted = self.interrupted;
        let findings: Vec<Finding> = self.messages.into_iter().map(finding).collect();
        let Some(leading) = leading(&findings) else { return Err(Refused::NoFindings) };
        let (rule_id, attack_type) = (Some(leading.rule_id.to_string()), class_of(leading));
        let scores = Scores::of(&findings);
        let millis = u64::try_from(timestamp.timestamp_millis()).unwrap_or_default();
        let id = self.own_id.unwrap_or_else(|| {
            let port = self.client_port.to_string();
            event_id(millis, &[&self.server_id, &self.unique_id, &self.client_ip, &port])
        });
        Ok(SecurityEvent {
            schema: SecurityEvent::SCHEMA,
            id,
            timestamp,
            origin: Origin::new(Ulid::nil(), 0, 0),
            site: String::new(),
            client_ip,
            client_port: self.client_port,
            status: self.status,
            action: action(interrupted, self.engine_on, self.status, &findings),
            severity: Severity::default(),
            rule_id,
            attack_type,
            inbound_score: scores.inbound,
            outbound_score: scores.outbound,
            inbound_threshold: scores.threshold,
            paranoia_level: findings.iter().filter_map(paranoia_level).max().unwrap_or(1),
            policy: self.policy,
            request: summary(
                (self.method, self.uri, self.protocol),
                self.headers.into_iter().map(|(name, value)| (name.into_owned(), value)),
                self.host,
            ),
            findings,
            track: None,
            track_reason: None,
        })
    }
}

fn unusable(field: &'static str, value: &str) -> Refused {
    Refused::Field { field, value: value.chars().take(64).collect() }
}

fn finding(message: Message<'_>) -> Finding {
    let parts = rule_match::parse(&message.matched, &message.data);
    let rule_id = message.rule_id;
    let mut finding = Finding {
        rule_id,
        phase: match message.phase {
            0 if is_outbound(rule_id) => 4,
            0 => 2,
            phase => phase,
        },
        message: kept(message.message),
        data: kept(message.data),
        tags: message.tags.into_iter().map(|tag| kept(tag).into()).collect(),
        rule_severity: message.severity,
        variable: parts.variable,
        matched: parts.matched,
        operator: parts.operator,
        scores: Vec::new(),
        file: message.file.rsplit('/').next().unwrap_or_default().to_owned(),
        line: message.line,
    };
    let points = points(rule_id, finding.rule_severity);
    if points > 0 {
        let names = if is_outbound(rule_id) { OUTBOUND_SCORES } else { INBOUND_SCORES };
        let level = usize::from(paranoia_level(&finding).unwrap_or(1));
        finding.scores.push(ScoreEntry { score: names[level - 1].to_owned(), points });
    }
    finding
}

fn kept(text: Cow<'_, str>) -> String {
    let mut text = text.into_owned();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

fn is_outbound(rule_id: u32) -> bool {
    (950..=959).contains(&(rule_id / 1000))
}

fn is_blocking_rule(rule_id: u32) -> bool {
    matches!(rule_id / 1000, 949 | 959)
}

/// Points that CRS gives by default.
fn points(rule_id: u32, severity: Option<u8>) -> i64 {
    match (rule_id / 1000, severity) {
        (911..=948 | 950..=956, Some(2)) => 5,
        (911..=948 | 950..=956, Some(3)) => 4,
        (911..=948 | 950..=956, Some(4)) => 3,
        (911..=948 | 950..=956, Some(5)) => 2,
        _ => 0,
    }
}

fn paranoia_level(finding: &Finding) -> Option<u8> {
    let level = finding.tags.iter().find_map(|tag| tag.strip_prefix("paranoia-level/"))?.parse().ok()?;
    (1..=4).contains(&level).then_some(level)
}

/// The first finding with the most points, of those that are not bookkeeping if there are any.
fn leading(findings: &[Finding]) -> Option<&Finding> {
    let rank = |finding: &&Finding| (class_of(finding).is_some(), finding.points());
    // `max_by_key` returns the last of equals, so look from the end.
    findings.iter().rev().max_by_key(rank)
}

struct Scores {
    inbound: u32,
    outbound: u32,
    threshold: u32,
}

impl Scores {
    fn of(findings: &[Finding]) -> Self {
        let sum = |outbound: bool| {
            let points =
                findings.iter().filter(|finding| is_outbound(finding.rule_id) == outbound).map(Finding::points);
            u32::try_from(points.sum::<i64>()).unwrap_or_default()
        };
        let blocking = |family| findings.iter().find(|finding| finding.rule_id / 1000 == family);
        let threshold = blocking(949).and_then(|finding| finding.operator.strip_prefix("@ge ")?.parse().ok());
        Scores {
            inbound: blocking(949).and_then(total_score).unwrap_or_else(|| sum(false)),
            outbound: blocking(959).and_then(total_score).unwrap_or_else(|| sum(true)),
            threshold: threshold.unwrap_or(THRESHOLD),
        }
    }
}

/// "Inbound Anomaly Score Exceeded (Total Score: 15)".
fn total_score(finding: &Finding) -> Option<u32> {
    let (_, rest) = finding.message.split_once("Total Score: ")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn action(interrupted: Option<bool>, engine_on: bool, status: u16, findings: &[Finding]) -> Action {
    let failed_parser = status >= 400 && findings.iter().any(|finding| (200_000..200_100).contains(&finding.rule_id));
    let blocked = interrupted.unwrap_or_else(|| {
        engine_on && (failed_parser || findings.iter().any(|finding| is_blocking_rule(finding.rule_id)))
    });
    match status {
        _ if blocked => Action::Blocked,
        400 => Action::Rejected,
        _ => Action::Detected,
    }
}

fn summary<'a>(
    (method, uri, protocol): (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>),
    pairs: impl ExactSizeIterator<Item = (String, Cow<'a, str>)>,
    host: Cow<'a, str>,
) -> RequestSummary {
    let mut summary = RequestSummary {
        method: method.into_owned(),
        uri: uri.into_owned(),
        protocol: protocol.into_owned(),
        headers: Vec::with_capacity(pairs.len()),
        ..RequestSummary::default()
    };
    for (name, value) in pairs {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if summary.host.is_empty() && is("host") {
            summary.host = value.to_string();
        } else if summary.user_agent.is_empty() && is("user-agent") {
            summary.user_agent = value.to_string();
        } else if is("content-length") {
            summary.body_bytes = value.parse().unwrap_or_default();
        }
        let value = if SENSITIVE_HEADERS.iter().any(|known| is(known)) { REDACTED.into() } else { value.into_owned() };
        summary.headers.push((name.into(), value.into()));
    }
    if summary.host.is_empty() {
        summary.host = host.into_owned();
    }
    summary
}
