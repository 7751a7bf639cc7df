//! Configuration of a Kafka stream, and what it means to the client library.

use crate::streams::wire::Encoding;
use crate::tls::Tls;
use parapet_ports::{ErrorKind, PortError, Secret};
use rdkafka::ClientConfig;
use serde::Deserialize;
use std::time::Duration;

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Mechanism {
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "PLAIN")]
    Plain,
}

impl Mechanism {
    fn as_str(self) -> &'static str {
        match self {
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::Plain => "PLAIN",
        }
    }
}

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
    pub(crate) brokers: Vec<String>,
    pub(crate) topic: Option<String>,
    pub(crate) partitions: u16,
    pub(crate) replication: Option<u16>,
    pub(crate) retention_hours: Option<u32>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) mechanism: Mechanism,
    pub(crate) tls: Option<Tls>,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) max_pending: usize,
    pub(crate) timeout_ms: u32,
    pub(crate) session_timeout_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            brokers: vec!["127.0.0.1:9092".into()],
            topic: None,
            partitions: 6,
            replication: None,
            retention_hours: None,
            retention_bytes: None,
            username: None,
            password: None,
            mechanism: Mechanism::default(),
            tls: None,
            encoding: Encoding::default(),
            compression: Compression::default(),
            max_pending: 100_000,
            timeout_ms: 10_000,
            session_timeout_ms: 10_000,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub(crate) fn validate(&self, name: &str) -> Result<(), PortError> {
        if let Some(tls) = &self.tls {
            tls.validate(name)?;
        }
        let topic = self.topic.as_deref().unwrap_or(name);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let problem = if self.brokers.is_empty() || self.brokers.iter().any(|broker| broker.contains(',')) {
            "brokers: name at least one, as [\"HOST:PORT\", …]"
        } else if topic.is_empty() || topic.len() > 249 || !topic.chars().all(legal) {
            "topic: up to 249 letters, digits, dots, underscores and hyphens"
        } else if !(1..=10_000).contains(&self.partitions) {
            "partitions must lie between 1 and 10000"
        } else if self.replication == Some(0) {
            "replication must be at least 1"
        } else if self.username.is_some() != self.password.is_some() {
            "username and password need each other; set both or none"
        } else if !(1..=10_000_000).contains(&self.max_pending) {
            "max_pending must lie between 1 and 10000000"
        } else if !(1000..=300_000).contains(&self.timeout_ms) {
            "timeout_ms must lie between 1000 and 300000"
        } else if !(1000..=300_000).contains(&self.session_timeout_ms) {
            "session_timeout_ms must lie between 1000 and 300000"
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}")))
    }

    /// Limit of a call.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// Settings of every client.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", "parapet")
            .set("socket.timeout.ms", self.timeout_ms.to_string())
            .set("socket.connection.setup.timeout.ms", self.timeout_ms.to_string())
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000")
            .set("security.protocol", self.protocol());
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            client
                .set("sasl.mechanism", self.mechanism.as_str())
                .set("sasl.username", username)
                .set("sasl.password", password.expose());
        }
        if let Some(tls) = &self.tls {
            let files = [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ];
            for (key, file) in files {
                if let Some(file) = file {
                    client.set(key, file.display().to_string());
                }
            }
        }
        client
    }

    /// Settings of the producer.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", self.timeout_ms.to_string())
            .set("compression.type", self.compression.as_str())
            // Java's hash of the key, so that other producers choose the same partition.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "262144");
        client
    }

    /// Settings of a member of a group.
    pub(crate) fn member(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 4).min(3000).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "65536");
        client
    }

    fn protocol(&self) -> &'static str {
        match (&self.tls, &self.username) {
            (Some(_), Some(_)) => "sasl_ssl",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (None, None) => "plaintext",
        }
    }
}
