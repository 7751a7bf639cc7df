//! Sources: where the logs of other WAFs come from, and where their records go.
//!
//! A source knows how to follow or receive, and nothing about formats. It hands lines to a
//! [`RecordSession`] and keeps its own place (an offset in a file or a topic) according to the answer:
//! what was answered for is durable, except for the bytes held.

use crate::PortError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Follows or receives logs.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// Name in the configuration.
    fn name(&self) -> &str;

    /// Hands records on until `stop` is cancelled.
    ///
    /// # Errors
    /// It cannot go on. It is run again after a pause, and takes up its work where its place is kept.
    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError>;
}

/// Takes the records of one source.
pub trait RecordSink: Send + Sync {
    /// A session for lines that follow on one another: a file, a connection, the body of a request.
    fn session(&self) -> Box<dyn RecordSession>;
}

/// Takes lines that follow on one another.
#[async_trait]
pub trait RecordSession: Send {
    /// Takes whole lines; the last one need not end with a line feed. `received` is when they arrived,
    /// for logs that carry no time. Returns when all finished records are durable: as events, or as
    /// dead letters. Waits while the pipeline is behind. A session whose call failed or was cancelled
    /// must not be used again.
    ///
    /// # Errors
    /// `Unavailable` if the pipeline stops.
    async fn take(&mut self, lines: &[u8], received: Option<DateTime<Utc>>) -> Result<Receipt, PortError>;

    /// Makes a dead letter of a record that is none for a reason that only the source knows.
    ///
    /// # Errors
    /// `Unavailable` if the pipeline stops.
    async fn refuse(&mut self, record: &[u8], reason: &str) -> Result<Receipt, PortError>;

    /// Ends records that wait for further lines: the log ended, or nothing came for a while.
    ///
    /// # Errors
    /// `Unavailable` if the pipeline stops.
    async fn finish(&mut self) -> Result<Receipt, PortError>;
}

/// What became of the records of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Records that became events, salvaged ones included.
    pub events: u64,
    /// Events of damaged records.
    pub salvaged: u64,
    /// Transactions in which no rule matched.
    pub without_findings: u64,
    /// Records that became dead letters.
    pub refused: u64,
    /// The first [`Receipt::REFUSALS_MAX`] of those.
    pub refusals: Vec<Refusal>,
    /// Bytes at the end of what the session has taken that belong to records not finished yet.
    pub held: u64,
}

impl Receipt {
    /// Refusals that are told one by one.
    pub const REFUSALS_MAX: usize = 100;

    /// Adds what became of later records of the same session.
    pub fn add(&mut self, later: Receipt) {
        self.events += later.events;
        self.salvaged += later.salvaged;
        self.without_findings += later.without_findings;
        self.refused += later.refused;
        let room = Receipt::REFUSALS_MAX.saturating_sub(self.refusals.len());
        self.refusals.extend(later.refusals.into_iter().take(room));
        self.held = later.held;
    }
}

/// A record that became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its first line in the session, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}
