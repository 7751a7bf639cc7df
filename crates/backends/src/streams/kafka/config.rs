//! Configuration of a Kafka stream, and what it means to the client library.

use crate::kafka::brokers::{Brokers, is_topic};
use crate::streams::wire::Encoding;
use parapet_ports::{ErrorKind, PortError};
use rdkafka::ClientConfig;
use serde::Deserialize;
use std::time::Duration;

/// Compression of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    None,
    Gzip,
    Snappy,
    #[default]
    Lz4,
    Zstd,
}

impl Compression {
    fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

/// The table; see the top of the module for what each field means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(skip)]
    pub(crate) brokers: Brokers,
    pub(crate) topic: Option<String>,
    pub(crate) partitions: u16,
    pub(crate) replication: Option<u16>,
    pub(crate) retention_hours: Option<u32>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) max_pending: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            brokers: Brokers::default(),
            topic: None,
            partitions: 6,
            replication: None,
            retention_hours: None,
            retention_bytes: None,
            encoding: Encoding::default(),
            compression: Compression::default(),
            max_pending: 100_000,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub(crate) fn validate(&self, name: &str) -> Result<(), PortError> {
        let problem = if !is_topic(self.topic.as_deref().unwrap_or(name)) {
            "topic: up to 249 letters, digits, dots, underscores and hyphens"
        } else if !(1..=10_000).contains(&self.partitions) {
            "partitions must lie between 1 and 10000"
        } else if self.replication == Some(0) {
            "replication must be at least 1"
        } else if !(1..=10_000_000).contains(&self.max_pending) {
            "max_pending must lie between 1 and 10000000"
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}")))
    }

    /// Limit of a call.
    pub(crate) fn timeout(&self) -> Duration {
        self.brokers.timeout()
    }

    /// Settings of every client.
    pub(crate) fn client(&self) -> ClientConfig {
        self.brokers.client()
    }

    /// Settings of the producer.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", self.brokers.timeout_ms.to_string())
            .set("compression.type", self.compression.as_str())
            // Java's hash of the key, so that other producers choose the same partition.
            .set("partitioner", "murmur2_random")
            // Within less, one append goes out as many small batches, and each costs the broker a request.
            .set("linger.ms", "5")
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "262144");
        client
    }

    /// Settings of a member of a group.
    pub(crate) fn member(&self, group: &str) -> ClientConfig {
        let mut client = self.brokers.member(group);
        client
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "65536")
            // With its default the library fetches nothing for a second whenever that many are queued.
            .set("fetch.queue.backoff.ms", "5");
        client
    }
}
