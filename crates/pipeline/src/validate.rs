//! Validation: what the router accepts as an event.
//!
//! Our own gateway only produces valid events; other producers and damaged streams do not. What is
//! refused here goes to the dead letter file with the reason.

use chrono::{DateTime, TimeDelta, Utc};
use parapet_event::SecurityEvent;
use thiserror::Error;

/// Clocks of producers may be ahead of ours by this much.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(24);
/// Rules that can match in one transaction.
const FINDINGS_MAX: usize = 10_000;
/// Length of a site's name.
const SITE_BYTES_MAX: usize = 253;

/// Why an event is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Invalid {
    /// A newer producer.
    #[error("schema {0} is not supported (this version reads up to {newest})", newest = SecurityEvent::SCHEMA)]
    Schema(u16),
    /// Stores deduplicate by the id, so it must be one.
    #[error("the event has no id")]
    Id,
    /// A clock that is wrong would put the event where nobody looks.
    #[error("the timestamp {0} is more than 24 hours ahead")]
    Future(DateTime<Utc>),
    /// A timestamp before 2000 is a clock that was never set.
    #[error("the timestamp {0} is before 2000")]
    Past(DateTime<Utc>),
    /// Sequence numbers count from 1.
    #[error("sequence number 0: numbers count from 1")]
    Sequence,
    /// A site without a name, or with one no host could have.
    #[error("the site's name has {0} bytes (1 to {SITE_BYTES_MAX} are possible)")]
    Site(usize),
    /// More findings than a rule set has rules.
    #[error("{0} findings are more than the limit of {FINDINGS_MAX}")]
    Findings(usize),
    /// The leading rule is not an id.
    #[error("the leading rule \"{0}\" is not a rule id")]
    Rule(String),
}

impl Invalid {
    /// Short form for the ledger and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Invalid::Schema(_) => "invalid: schema",
            Invalid::Id => "invalid: id",
            Invalid::Future(_) | Invalid::Past(_) => "invalid: timestamp",
            Invalid::Sequence => "invalid: sequence",
            Invalid::Site(_) => "invalid: site",
            Invalid::Findings(_) => "invalid: findings",
            Invalid::Rule(_) => "invalid: rule",
        }
    }
}

/// Checks one event against the clock's `now`.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(event: &SecurityEvent, now: DateTime<Utc>) -> Result<(), Invalid> {
    if event.schema == 0 || event.schema > SecurityEvent::SCHEMA {
        return Err(Invalid::Schema(event.schema));
    }
    if event.id.is_nil() {
        return Err(Invalid::Id);
    }
    if event.timestamp > now + AHEAD_MAX {
        return Err(Invalid::Future(event.timestamp));
    }
    if event.timestamp.timestamp() < 946_684_800 {
        return Err(Invalid::Past(event.timestamp));
    }
    if event.origin.sequence == 0 {
        return Err(Invalid::Sequence);
    }
    if event.site.is_empty() || event.site.len() > SITE_BYTES_MAX {
        return Err(Invalid::Site(event.site.len()));
    }
    if event.findings.len() > FINDINGS_MAX {
        return Err(Invalid::Findings(event.findings.len()));
    }
    match &event.rule_id {
        Some(id) if id.parse::<u32>().is_err() => Err(Invalid::Rule(id.chars().take(64).collect())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use ulid::Ulid;

    fn reason(change: impl FnOnce(&mut SecurityEvent)) -> Option<&'static str> {
        let mut event = example::event(1);
        change(&mut event);
        validate(&event, Utc::now()).err().map(|invalid| invalid.reason())
    }

    #[test]
    fn each_defect_has_its_reason() {
        assert_eq!(reason(|_| ()), None);
        assert_eq!(reason(|event| event.rule_id = None), None);
        assert_eq!(reason(|event| event.schema = 2), Some("invalid: schema"));
        assert_eq!(reason(|event| event.schema = 0), Some("invalid: schema"));
        assert_eq!(reason(|event| event.id = Ulid::nil()), Some("invalid: id"));
        assert_eq!(reason(|event| event.timestamp = Utc::now() + TimeDelta::hours(25)), Some("invalid: timestamp"));
        assert_eq!(reason(|event| event.timestamp = DateTime::UNIX_EPOCH), Some("invalid: timestamp"));
        assert_eq!(reason(|event| event.origin.sequence = 0), Some("invalid: sequence"));
        assert_eq!(reason(|event| event.site.clear()), Some("invalid: site"));
        assert_eq!(reason(|event| event.site = "x".repeat(254)), Some("invalid: site"));
        assert_eq!(reason(|event| event.rule_id = Some("SQL".into())), Some("invalid: rule"));
    }
}
