//! ModSecurity 3 JSON audit logs (`SecAuditLogFormat JSON`), one record per transaction.
//!
//! What the log does not say is derived, by the rules of CRS:
//!
//! - **Points** of a finding: 5 for a critical rule, 4 error, 3 warning, 2 notice, in the families
//!   that score (inbound 911–948, outbound 950–956). **Scores** are taken from the message of the
//!   blocking rule ("Total Score: 15") where it matched, otherwise they are the sum of the points.
//!   (That sum is a lower bound: a rule that matched several variables is logged once.)
//! - **Threshold** is what the blocking rule compared with, otherwise 5.
//! - **Action** is *blocked* where `is_interrupted` says so (3.0.13 and later), or where the engine is
//!   on and a blocking rule (949, 959) or a failed body parser (200002 and the like) matched;
//!   *rejected* for any other 400; otherwise *detected*.
//! - **Time**: the record has local time without a zone. ModSecurity's own transaction ids start with
//!   the Unix time; where that agrees with the record up to a time zone, it is used. Otherwise the
//!   time is taken as UTC.
//!
//! Headers that hold credentials are redacted.

use super::identity::event_id;
use super::{Numbering, Reading, Refused, rule_match, salvage};
use crate::severity::class_of;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use parapet_event::{Action, Finding, RequestSummary, ScoreEntry, SecurityEvent, Severity};
use record::{Message, Record, Request, Transaction};

mod record;

/// Longest record read.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Headers whose values are never kept, in lower case.
const SENSITIVE_HEADERS: &[&str] =
    &["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"];
const REDACTED: &str = "[redacted]";
/// CRS's default inbound threshold.
const THRESHOLD: u32 = 5;
/// The widest time zone.
const ZONE_MAX: TimeDelta = TimeDelta::hours(14);

/// Reads records of one log.
#[derive(Debug, Clone)]
pub struct Reader {
    site: String,
    numbering: Numbering,
}

impl Reader {
    /// Events belong to `site` and are numbered by `numbering`.
    pub fn new(site: impl Into<String>, numbering: Numbering) -> Self {
        Reader { site: site.into(), numbering }
    }

    /// Reads one record, without its line end.
    ///
    /// # Errors
    /// Why it is no event; the record itself is the caller's to keep.
    pub fn read(&mut self, record: &[u8]) -> Result<Reading, Refused> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(Refused::Size(record.len()));
        }
        let (transaction, salvaged) = parse(record)?;
        let event = self.event(transaction)?;
        Ok(Reading { event, salvaged })
    }

    fn event(&mut self, transaction: Transaction) -> Result<SecurityEvent, Refused> {
        let client_ip = transaction.client_ip.parse().map_err(|_| unusable("client_ip", &transaction.client_ip))?;
        let timestamp = timestamp(&transaction.time_stamp, &transaction.unique_id)
            .ok_or_else(|| unusable("time_stamp", &transaction.time_stamp))?;
        if transaction.unique_id.is_empty() {
            return Err(unusable("unique_id", ""));
        }
        let findings: Vec<Finding> = transaction.messages.iter().map(finding).collect();
        let Some(leading) = leading(&findings) else { return Err(Refused::NoFindings) };
        let (rule_id, attack_type) = (Some(leading.rule_id.to_string()), class_of(leading));
        let scores = Scores::of(&findings);
        let millis = u64::try_from(timestamp.timestamp_millis()).unwrap_or_default();
        let port = transaction.client_port.to_string();
        Ok(SecurityEvent {
            schema: SecurityEvent::SCHEMA,
            id: event_id(millis, &[&transaction.server_id, &transaction.unique_id, &transaction.client_ip, &port]),
            timestamp,
            origin: self.numbering.take(),
            site: self.site.clone(),
            client_ip,
            client_port: transaction.client_port,
            status: transaction.response.http_code,
            action: action(&transaction, &findings),
            severity: Severity::default(),
            rule_id,
            attack_type,
            inbound_score: scores.inbound,
            outbound_score: scores.outbound,
            inbound_threshold: scores.threshold,
            paranoia_level: findings.iter().filter_map(paranoia_level).max().unwrap_or(1),
            policy: transaction.producer.components.join(" ").replace('"', ""),
            request: summary(transaction.request),
            findings,
            track: None,
            track_reason: None,
        })
    }
}

/// Parses a record, repairing it if needed. The second part says what was repaired.
fn parse(bytes: &[u8]) -> Result<(Transaction, Option<String>), Refused> {
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        return Ok((record.transaction, None));
    }
    let text = salvage::readable(bytes);
    let error = match serde_json::from_str::<Record>(&text) {
        Ok(record) => return Ok((record.transaction, Some("bytes that are not allowed in JSON".into()))),
        Err(error) => error,
    };
    if let Some(closed) = salvage::close(&text)
        && let Ok(record) = serde_json::from_str::<Record>(&closed)
    {
        return Ok((record.transaction, Some(format!("cut off after {} bytes", bytes.len()))));
    }
    Err(Refused::Syntax(error.to_string()))
}

fn unusable(field: &'static str, value: &str) -> Refused {
    Refused::Field { field, value: value.chars().take(64).collect() }
}

/// See the module's documentation.
fn timestamp(local: &str, unique_id: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(local, "%a %b %e %H:%M:%S %Y").ok()?.and_utc();
    let of_id =
        unique_id.get(..10).and_then(|digits| digits.parse().ok()).and_then(|at| DateTime::from_timestamp(at, 0));
    Some(of_id.filter(|at| (*at - local).abs() <= ZONE_MAX).unwrap_or(local))
}

fn finding(message: &Message) -> Finding {
    let details = &message.details;
    let rule_id = details.rule_id.parse().unwrap_or_default();
    let parts = rule_match::parse(&details.match_text, &details.data);
    let mut finding = Finding {
        rule_id,
        phase: if is_outbound(rule_id) { 4 } else { 2 },
        message: message.message.clone(),
        data: details.data.clone(),
        tags: details.tags.clone(),
        rule_severity: details.severity.parse().ok(),
        variable: parts.variable,
        matched: parts.matched,
        operator: parts.operator,
        scores: Vec::new(),
        file: details.file.rsplit('/').next().unwrap_or_default().to_owned(),
        line: details.line_number.parse().unwrap_or_default(),
    };
    let points = points(rule_id, finding.rule_severity);
    if points > 0 {
        let direction = if is_outbound(rule_id) { "outbound" } else { "inbound" };
        let level = paranoia_level(&finding).unwrap_or(1);
        finding.scores.push(ScoreEntry { score: format!("{direction}_anomaly_score_pl{level}"), points });
    }
    finding
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

fn action(transaction: &Transaction, findings: &[Finding]) -> Action {
    let engine_on = transaction.producer.secrules_engine == "Enabled";
    let status = transaction.response.http_code;
    let failed_parser = status >= 400 && findings.iter().any(|finding| (200_000..200_100).contains(&finding.rule_id));
    let blocked = transaction.is_interrupted.unwrap_or_else(|| {
        engine_on && (failed_parser || findings.iter().any(|finding| is_blocking_rule(finding.rule_id)))
    });
    match status {
        _ if blocked => Action::Blocked,
        400 => Action::Rejected,
        _ => Action::Detected,
    }
}

fn summary(request: Request) -> RequestSummary {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (host, user_agent) = (header("host"), header("user-agent"));
    let body_bytes = header("content-length").parse().unwrap_or_default();
    let redact = |(name, value): (String, String)| {
        let sensitive = SENSITIVE_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        (name, if sensitive { REDACTED.to_owned() } else { value })
    };
    RequestSummary {
        method: request.method,
        uri: request.uri,
        protocol: format!("HTTP/{}", request.http_version),
        host,
        user_agent,
        headers: request.headers.into_iter().map(redact).collect(),
        body_bytes,
    }
}

#[cfg(test)]
mod tests;
