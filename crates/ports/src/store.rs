//! Stores of events that answer typed queries.

use crate::{PortError, SharedEvent};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_event::{AggregateQuery, Bucket, EventPage, EventQuery, SecurityEvent};
use ulid::Ulid;

/// History of events.
///
/// Guarantees: when `write` returns, the events survive a crash of the process and the next query
/// sees them. Writing an event id again changes nothing.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Name for metrics, messages and the ledger.
    fn name(&self) -> &str;

    /// Writes a batch; idempotent by event id.
    async fn write(&self, events: &[SharedEvent]) -> Result<(), PortError>;

    /// A page of events, newest first.
    async fn query(&self, query: &EventQuery) -> Result<EventPage, PortError>;

    /// One event.
    async fn get(&self, id: Ulid) -> Result<Option<SecurityEvent>, PortError>;

    /// Counts by key and time, sorted by time, then by count (highest first), then by key. Among keys
    /// with equal counts the limit keeps those that sort first.
    async fn aggregate(&self, query: &AggregateQuery) -> Result<Vec<Bucket>, PortError>;

    /// Deletes events older than `before`; returns how many (whole files may be kept a little longer).
    async fn retain(&self, before: DateTime<Utc>) -> Result<u64, PortError>;
}
