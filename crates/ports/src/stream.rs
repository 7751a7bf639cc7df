//! Durable streams of events with consumer groups.

use crate::{PortError, SharedEvent};
use async_trait::async_trait;
use std::time::Duration;

/// Position of an entry in its stream. Opaque outside the stream that issued it; ordered within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64, pub u64);

/// One delivered entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// To acknowledge it.
    pub id: EntryId,
    /// How often it has been delivered, this delivery included.
    pub deliveries: u32,
    /// The event.
    pub event: SharedEvent,
}

/// An entry that holds no event, as far as this release can tell: damaged, written by something else, or
/// by a newer release in a form that this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// To acknowledge it.
    pub id: EntryId,
    /// What is wrong with it.
    pub reason: String,
    /// The entry as it was found.
    pub bytes: Vec<u8>,
}

/// How far a consumer group is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Entries ever appended.
    pub appended: u64,
    /// Entries not yet delivered to the group.
    pub unread: u64,
    /// Entries delivered but not acknowledged.
    pub pending: u64,
    /// Entries removed before the group acknowledged them: trimmed at a size limit, or damaged. What
    /// is neither unread, pending nor dropped was acknowledged.
    pub dropped: u64,
}

/// A durable stream.
///
/// Guarantees: when `append` returns, the events survive a crash of the process. Each consumer group
/// sees every event at least once. An entry that was read but not acknowledged is delivered again,
/// after a restart or through [`StreamConsumer::reclaim`].
#[async_trait]
pub trait EventStream: Send + Sync {
    /// Name of the stream, for metrics and messages.
    fn name(&self) -> &str;

    /// Whether other processes may append to it or read it.
    fn is_shared(&self) -> bool {
        true
    }

    /// Appends the batch, in order, all or nothing.
    ///
    /// # Errors
    /// `Full` when a declared size limit is reached, `Unavailable` when the stream is away.
    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError>;

    /// Joins a consumer group, which is created at the start of the stream if it is new.
    async fn consumer(&self, group: &str, consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError>;

    /// How far the group is behind.
    async fn lag(&self, group: &str) -> Result<Lag, PortError>;

    /// How many processes read the stream in the group now, this one included. One that died may count
    /// for a while.
    async fn readers(&self, group: &str) -> Result<usize, PortError>;
}

/// One member of a consumer group.
#[async_trait]
pub trait StreamConsumer: Send {
    /// Up to `max` new entries; waits up to `wait` for the first one. Cancel safe.
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, PortError>;

    /// Takes what `read` and `reclaim` met since the last call and could not decode; they return early,
    /// perhaps without an entry, when they meet such. Like entries, these are delivered again until they
    /// are acknowledged, so whoever acknowledges one keeps its bytes somewhere first.
    fn take_undecodable(&mut self) -> Vec<Undecodable> {
        Vec::new()
    }

    /// Marks entries as done. Acknowledging twice is harmless.
    async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), PortError>;

    /// Takes over entries that some member read at least `idle` ago and never acknowledged.
    async fn reclaim(&mut self, idle: Duration, max: usize) -> Result<Vec<Entry>, PortError>;
}
