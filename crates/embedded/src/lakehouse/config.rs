//! Configuration of a lakehouse.

use crate::journal::Sync;
use parapet_ports::{ErrorKind, PortError};
use serde::Deserialize;

/// Configuration of a lakehouse (`kind = "lakehouse"`). Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// When the write-ahead log is forced to the disk, as for journals. Default `interval`.
    pub sync: Sync,
    /// Default 200.
    pub sync_interval_ms: u64,
    /// Events kept in memory before they are written to a Parquet file. Default 100,000.
    pub flush_events: usize,
    /// Memory that these events may take before they are written. Default 128 MiB. Up to four times as
    /// much is used while a file is being written; then writers wait.
    pub flush_bytes: usize,
    /// Age of the oldest event in memory at which they are written. Default 300.
    pub flush_seconds: u64,
    /// Files of one day and of similar size that are merged into one. Default 8.
    pub compact_files: usize,
    /// Events in the largest merged file. Default 1,000,000.
    pub file_events_max: u64,
    /// Events older than this are deleted; 0 keeps them for good. Default 0.
    pub retain_days: u32,
    /// The oldest files are deleted when all of them together exceed this; 0 for no limit. Default 0.
    pub retain_bytes: u64,
    /// Memory of all running queries together. Default 512 MiB.
    pub query_memory_bytes: usize,
    /// Queries that run at the same time; more wait. Default 8.
    pub max_queries: usize,
    /// A query that takes longer is stopped. Default 30.
    pub query_timeout_seconds: u64,
    /// Threads for queries; 0 for one per core. Default 0.
    pub query_threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sync: Sync::Interval,
            sync_interval_ms: 200,
            flush_events: 100_000,
            flush_bytes: 128 << 20,
            flush_seconds: 300,
            compact_files: 8,
            file_events_max: 1_000_000,
            retain_days: 0,
            retain_bytes: 0,
            query_memory_bytes: 512 << 20,
            max_queries: 8,
            query_timeout_seconds: 30,
            query_threads: 0,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// `Config`, naming the field and what it may be.
    pub fn validate(&self, name: &str) -> Result<(), PortError> {
        let problem = if !(1..=60_000).contains(&self.sync_interval_ms) {
            "sync_interval_ms must lie between 1 and 60000"
        } else if !(1..=1_000_000).contains(&self.flush_events) {
            "flush_events must lie between 1 and 1000000"
        } else if !(1 << 16..=1 << 29).contains(&self.flush_bytes) {
            "flush_bytes must lie between 65536 and 536870912"
        } else if !(1..=86_400).contains(&self.flush_seconds) {
            "flush_seconds must lie between 1 and 86400"
        } else if !(2..=1000).contains(&self.compact_files) {
            "compact_files must lie between 2 and 1000"
        } else if !(1..=100_000_000).contains(&self.file_events_max) {
            "file_events_max must lie between 1 and 100000000"
        } else if self.query_memory_bytes < 16 << 20 {
            "query_memory_bytes must be at least 16777216"
        } else if !(1..=1000).contains(&self.max_queries) {
            "max_queries must lie between 1 and 1000"
        } else if !(1..=3600).contains(&self.query_timeout_seconds) {
            "query_timeout_seconds must lie between 1 and 3600"
        } else if self.query_threads > 1024 {
            "query_threads must not be larger than 1024"
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}")))
    }
}
