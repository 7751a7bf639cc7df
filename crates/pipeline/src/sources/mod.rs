//! Sources: what other WAFs log, as security events.
//!
//! A source turns one record of a log into one [`SecurityEvent`](parapet_event::SecurityEvent), so
//! that an existing fleet can use the platform as it is. A record that is damaged is salvaged where
//! its meaning is beyond doubt; otherwise it is refused with the reason, and whoever reads the log
//! keeps it as a dead letter. Either is counted, nothing is lost.

mod identity;
pub mod modsecurity;
mod rule_match;
mod salvage;

pub use identity::Numbering;

use parapet_event::SecurityEvent;
use thiserror::Error;

/// A record that became an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The event.
    pub event: SecurityEvent,
    /// What was repaired, if the record was damaged.
    pub salvaged: Option<String>,
}

/// Why a record is no event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not the format, even after repair.
    #[error("not a ModSecurity JSON record: {0}")]
    Syntax(String),
    /// A part without which there is no event.
    #[error("{field} is missing or unusable: \"{value}\"")]
    Field {
        /// Name in the record.
        field: &'static str,
        /// What was there, cut to 64 characters.
        value: String,
    },
    /// The transaction was logged although no rule matched.
    #[error("no rule matched in this transaction")]
    NoFindings,
    /// Over the limit of a record.
    #[error("the record has {0} bytes, more than the limit of {max}", max = modsecurity::RECORD_BYTES_MAX)]
    Size(usize),
}
