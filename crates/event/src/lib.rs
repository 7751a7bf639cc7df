//! The vocabulary of security events: what the gateway produces, the router classifies, the
//! processors enrich, the stores keep and the console shows.
//!
//! Everything here is plain data with serde; the JSON form of these types is the wire format of the
//! streams, the stores and the REST API (field names are part of the contract; see
//! [`SecurityEvent::SCHEMA`]).

mod alert;
mod attack;
pub mod json;
mod query;
mod security_event;
mod severity;
mod track;

pub use alert::{Alert, AlertState, Delivery, DeliveryState};
pub use attack::AttackClass;
pub use query::{AggregateQuery, Bucket, Cursor, EventFilter, EventPage, EventQuery, GroupBy};
pub use security_event::{Action, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, ShortText};
pub use severity::{Severity, SeverityBand};
pub use track::{Track, TrackReason};
