//! Typed queries over stored events. Every store answers these; none is handed raw SQL.

use crate::{Action, AttackClass, SecurityEvent, SeverityBand, Track};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use ulid::Ulid;

/// Which events. Absent fields do not restrict; present ones are joined by AND.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// At or after (inclusive).
    pub start_time: Option<DateTime<Utc>>,
    /// Before (exclusive).
    pub end_time: Option<DateTime<Utc>>,
    /// Severity band.
    pub severity: Option<SeverityBand>,
    /// Track.
    pub track: Option<Track>,
    /// Exact client address.
    pub client_ip: Option<IpAddr>,
    /// Any finding with this rule id.
    pub rule_id: Option<u32>,
    /// Class of the leading rule.
    pub attack_type: Option<AttackClass>,
    /// What was done.
    pub action: Option<Action>,
    /// Exact site.
    pub site: Option<String>,
    /// Text that occurs, in any case, in the URI, the user agent, a rule message or the matched text.
    pub text: Option<String>,
}

/// A page of events, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQuery {
    /// Which events.
    pub filter: EventFilter,
    /// Continue after this position.
    pub cursor: Option<Cursor>,
    /// At most so many (1–1,000).
    pub limit: usize,
}

/// Position in a newest-first listing: everything older than this event follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Time of the last event of the page before.
    pub timestamp: DateTime<Utc>,
    /// Its id, which breaks ties.
    pub id: Ulid,
}

/// Answer to an [`EventQuery`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// Events, newest first (timestamp, then id, both descending).
    pub events: Vec<SecurityEvent>,
    /// Where the next page starts; absent on the last page.
    pub next: Option<Cursor>,
}

/// What to count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// `realtime` / `analytics`.
    Track,
    /// Class of the leading rule.
    AttackType,
    /// `blocked` / `detected` / `rejected`.
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

/// Counts of events by one key, and by time where `interval_seconds` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateQuery {
    /// Which events.
    pub filter: EventFilter,
    /// What to count by.
    pub group_by: GroupBy,
    /// Width of the time buckets (aligned to the epoch); `None` for one bucket over all time.
    pub interval_seconds: Option<u32>,
    /// At most so many keys, those with the highest counts over the whole range.
    pub limit: usize,
}

/// One count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Start of the time bucket; absent without an interval.
    pub time: Option<DateTime<Utc>>,
    /// Value of the key; empty where the event has none.
    pub key: String,
    /// Events.
    pub count: u64,
}
