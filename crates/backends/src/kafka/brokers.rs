//! Which Kafka brokers, and how to log in: the options that every plugin on Kafka has.
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `brokers` | some of the brokers, as `HOST:PORT` | `["127.0.0.1:9092"]` |
//! | `username`, `password` | SASL user | none |
//! | `mechanism` | `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN` | `SCRAM-SHA-512` |
//! | `tls` | table; its presence turns TLS on | none |
//! | `tls.ca_file` | authorities to trust | the system's |
//! | `tls.certificate_file`, `tls.key_file` | client certificate and its key | none |
//! | `timeout_ms` | limit of a call, and of an append while brokers are away | 10,000 |
//! | `session_timeout_ms` | when a silent process loses its partitions to others | 10,000 |

use crate::tls::Tls;
use parapet_ports::registry::Settings;
use parapet_ports::{ErrorKind, PortError, Secret};
use rdkafka::ClientConfig;
use serde::Deserialize;
use std::time::Duration;

/// Names of the options.
const OPTIONS: [&str; 7] = ["brokers", "username", "password", "mechanism", "tls", "timeout_ms", "session_timeout_ms"];

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

/// The options.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Brokers {
    pub(crate) brokers: Vec<String>,
    username: Option<String>,
    password: Option<Secret>,
    mechanism: Mechanism,
    tls: Option<Tls>,
    pub(crate) timeout_ms: u32,
    session_timeout_ms: u32,
}

impl Default for Brokers {
    fn default() -> Self {
        Brokers {
            brokers: vec!["127.0.0.1:9092".into()],
            username: None,
            password: None,
            mechanism: Mechanism::default(),
            tls: None,
            timeout_ms: 10_000,
            session_timeout_ms: 10_000,
        }
    }
}

impl Brokers {
    /// Takes these options out of a plugin's table, which keeps its own, and checks them.
    ///
    /// # Errors
    /// `Config`, naming the plugin and the option.
    pub(crate) fn take(settings: &mut Settings) -> Result<Brokers, PortError> {
        let mut table = toml::Table::new();
        for option in OPTIONS {
            if let Some(value) = settings.table.remove(option) {
                table.insert(option.to_owned(), value);
            }
        }
        let name = settings.name.clone();
        let brokers: Brokers = Settings { name: name.clone(), table }.decode()?;
        if let Some(tls) = &brokers.tls {
            tls.validate(&name)?;
        }
        match brokers.problem() {
            Some(problem) => Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}"))),
            None => Ok(brokers),
        }
    }

    fn problem(&self) -> Option<&'static str> {
        if self.brokers.is_empty() || self.brokers.iter().any(|broker| broker.contains(',')) {
            Some("brokers: name at least one, as [\"HOST:PORT\", …]")
        } else if self.username.is_some() != self.password.is_some() {
            Some("username and password need each other; set both or none")
        } else if !(1000..=300_000).contains(&self.timeout_ms) {
            Some("timeout_ms must lie between 1000 and 300000")
        } else if !(1000..=300_000).contains(&self.session_timeout_ms) {
            Some("session_timeout_ms must lie between 1000 and 300000")
        } else {
            None
        }
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

    /// Settings of a member of a group, which says by itself what it commits.
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
            .set("fetch.error.backoff.ms", "100");
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

/// Whether it can be the name of a topic.
pub(crate) fn is_topic(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 249 && name.chars().all(legal)
}
