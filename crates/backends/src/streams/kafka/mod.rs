//! `kind = "kafka"`: an event stream in a topic of Apache Kafka.
//!
//! ```toml
//! [streams.analytics]
//! kind = "kafka"
//! brokers = ["kafka-1:9093", "kafka-2:9093"]
//! partitions = 12
//! replication = 3
//! username = "parapet"
//! password = "…"
//! [streams.analytics.tls]
//! ca_file = "/etc/parapet/kafka-ca.pem"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `topic` | its name; it is created if it is not there | `waf-NAME-events` |
//! | `partitions` | partitions of a topic that is created | 6 |
//! | `replication` | replicas of a topic that is created | the brokers' default |
//! | `retention_hours`, `retention_bytes` | retention of a topic that is created; bytes are per partition | the brokers' default |
//! | `encoding` | how events are written: `json` or `msgpack`; both are read | `json` |
//! | `compression` | of batches: `none`, `gzip`, `snappy`, `lz4`, `zstd` | `lz4` |
//! | `max_pending` | entries that a process may have read in a group without acknowledging them | 100,000 |
//!
//! The brokers and the user have options of their own, see [`crate::kafka::brokers`].
//!
//! **Appending** is done when all in-sync replicas have the events (`acks=all`, idempotent producer). It
//! is all or nothing for the caller only: after a failure a part of the batch may be there, and trying
//! again appends it a second time. The key is the client's address, so events of one client keep their
//! order; those of different clients may not.
//!
//! **Groups.** A process is one member of the Kafka group, however many consumers it opens: they share
//! its partitions. Partitions move cooperatively, so members keep what they have while others come and
//! go. Offsets are committed only for what is acknowledged, and only up to the first entry that is not;
//! what is acknowledged beyond it is remembered in the commit's metadata. Commits are made a few times a
//! second: a crash delivers the last few acknowledged entries again.
//!
//! **Reclaiming** works within the process. What a process that died left open is delivered to whoever
//! gets its partitions, after `session_timeout_ms`. Deliveries are counted in memory, so a poison event
//! that kills the process starts again at one.
//!
//! **Lag** is computed from the brokers' offsets. What other processes have read and not acknowledged
//! counts as unread. Entries that retention deleted before the group acknowledged them are counted as
//! dropped, and the count is committed with the offsets.

mod books;
mod config;
mod consumer;
mod context;
mod lag;
mod member;
mod position;
mod producer;
mod ranges;
mod topic;

use crate::kafka::brokers::Brokers;
use async_trait::async_trait;
use config::Config;
use consumer::Consumer;
use member::Seat;
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::stream::Lag;
use parapet_ports::{EventStream, PortError, SharedEvent, StreamConsumer};
use producer::Appender;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::Mutex;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventStream> =
    Plugin { kind: "kafka", summary: "A topic of Apache Kafka, ordered by client address", check };

fn check(mut settings: Settings) -> Result<Box<dyn Ready<dyn EventStream>>, PortError> {
    let brokers = Brokers::take(&mut settings)?;
    let config = Config { brokers, ..settings.decode()? };
    config.validate(&settings.name)?;
    Ok(Box::new(Checked { name: settings.name, config }))
}

struct Checked {
    name: String,
    config: Config,
}

#[async_trait]
impl Ready<dyn EventStream> for Checked {
    async fn open(&self, _place: &Place) -> Result<Arc<dyn EventStream>, PortError> {
        let topic = self.config.topic.clone().unwrap_or_else(|| format!("waf-{}-events", self.name));
        topic::ensure(&self.name, &self.config, &topic).await?;
        Ok(Arc::new(KafkaStream {
            appender: Appender::new(&self.name, &self.config, &topic)?,
            name: self.name.clone(),
            config: self.config.clone(),
            topic,
            seats: Mutex::default(),
        }))
    }
}

/// An open topic.
struct KafkaStream {
    name: String,
    config: Config,
    topic: String,
    appender: Appender,
    /// Seats that consumers hold, by group.
    seats: Mutex<HashMap<String, Weak<Seat>>>,
}

impl KafkaStream {
    /// The seat in the group, taken anew if no consumer holds it.
    async fn seat(&self, group: &str) -> Result<Arc<Seat>, PortError> {
        let mut seats = self.seats.lock().await;
        if let Some(seat) = seats.get(group).and_then(Weak::upgrade) {
            return Ok(seat);
        }
        let seat = Seat::take(&self.name, &self.config, &self.topic, group).await?;
        seats.insert(group.to_owned(), Arc::downgrade(&seat));
        Ok(seat)
    }
}

#[async_trait]
impl EventStream for KafkaStream {
    fn name(&self) -> &str {
        &self.name
    }

    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        if events.is_empty() {
            return Ok(());
        }
        self.appender.append(events).await
    }

    async fn consumer(&self, group: &str, _consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError> {
        Ok(Box::new(Consumer::new(self.seat(group).await?)))
    }

    async fn lag(&self, group: &str) -> Result<Lag, PortError> {
        let seat = self.seats.lock().await.get(group).and_then(Weak::upgrade);
        lag::ask(&self.name, &self.config, &self.topic, group, seat).await
    }

    async fn readers(&self, group: &str) -> Result<usize, PortError> {
        let seat = self.seats.lock().await.get(group).and_then(Weak::upgrade);
        lag::readers(&self.name, &self.config, &self.topic, group, seat).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::ErrorKind;

    #[test]
    fn mistakes_in_the_configuration_are_named() {
        for (toml, part) in [
            ("broker = \"x\"", "unknown field `broker`"),
            ("brokers = []", "analytics: brokers"),
            ("topic = \"a b\"", "topic: up to 249"),
            ("partitions = 0", "partitions"),
            ("replication = 0", "replication"),
            ("username = \"SECRET\"", "need each other"),
            ("mechanism = \"GSSAPI\"", "unknown variant `GSSAPI`"),
            ("max_pending = 0", "max_pending"),
            ("timeout_ms = 1", "timeout_ms"),
            ("session_timeout_ms = 1", "session_timeout_ms"),
            ("tls = { certificate_file = \"c\" }", "tls: certificate_file and key_file"),
        ] {
            let settings = Settings { name: "analytics".into(), table: toml.parse().unwrap() };
            let error = check(settings).err().unwrap_or_else(|| panic!("accepted: {toml}"));
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
