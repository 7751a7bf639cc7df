//! `kind = "kafka"`: receives logs from topics of Apache Kafka.
//!
//! ```toml
//! [sources.fleet]
//! kind = "kafka"
//! brokers = ["kafka-1:9093", "kafka-2:9093"]
//! topics = ["modsecurity-audit"]
//! username = "parapet"
//! password = "…"               # or PARAPET__SOURCES__FLEET__PASSWORD
//! [sources.fleet.tls]
//! ca_file = "/etc/parapet/kafka-ca.pem"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `topics` | what is read; each must be there | – |
//! | `group` | consumer group; processes with the same one share the partitions | `parapet-NAME` |
//! | `start` | where a new group begins: `earliest` or `latest` | `earliest` |
//!
//! The brokers and the user have options of their own, see [`crate::kafka::brokers`].
//!
//! The value of a message is one or several whole records, in lines, of any known format. Offsets are
//! committed when the records are durable in the spool, as events or as dead letters, so a restart goes on
//! where it was and loses nothing; what was read and not committed comes again, and is recognised by its
//! content. While the brokers are away the source waits.

use crate::kafka::brokers::{Brokers, is_topic};
use crate::kafka::failure::port_error;
use async_trait::async_trait;
use chrono::Utc;
use futures::FutureExt;
use parapet_ports::registry::{Checked, Place, Plugin, Ready, Settings};
use parapet_ports::{ErrorKind, EventSource, PortError, RecordSink};
use rdkafka::ClientContext;
use rdkafka::consumer::{Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventSource> =
    Plugin { kind: "kafka", summary: "Receives lines of logs from topics of Apache Kafka", check };

/// Messages and bytes that are made durable together at most.
const BATCH_MAX: usize = 1000;
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Where a group that never committed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Start {
    #[default]
    Earliest,
    Latest,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    topics: Vec<String>,
    group: Option<String>,
    #[serde(default)]
    start: Start,
}

fn check(mut settings: Settings) -> Checked<dyn EventSource> {
    let brokers = Brokers::take(&mut settings)?;
    let config: Config = settings.decode()?;
    let name = settings.name;
    let wrong = |what: &str| Err(PortError::new(ErrorKind::Config, format!("{name}: {what}")));
    if config.topics.is_empty() || !config.topics.iter().all(|topic| is_topic(topic)) {
        return wrong("topics: name at least one; up to 249 letters, digits, dots, underscores and hyphens");
    }
    if config.group.as_ref().is_some_and(String::is_empty) {
        return wrong("group: must not be empty");
    }
    Ok(Box::new(Checkable { name, brokers, config }))
}

struct Checkable {
    name: String,
    brokers: Brokers,
    config: Config,
}

#[async_trait]
impl Ready<dyn EventSource> for Checkable {
    async fn open(&self, _: &Place) -> Result<Arc<dyn EventSource>, PortError> {
        let Checkable { name, brokers, config } = self;
        Ok(Arc::new(KafkaSource { name: name.clone(), brokers: brokers.clone(), config: config.clone() }))
    }
}

struct KafkaSource {
    name: String,
    brokers: Brokers,
    config: Config,
}

/// Tells in the log when reading fails and when it works again.
struct Watch {
    source: String,
    failing: AtomicBool,
}

impl Watch {
    fn fails(&self, error: &KafkaError) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(source = self.source, %error, "failing; trying again until it works");
        }
    }

    fn works(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(source = self.source, "works again");
        }
    }
}

struct Context(Arc<Watch>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, _reason: &str) {
        self.0.fails(&error);
    }
}

impl ConsumerContext for Context {}

#[async_trait]
impl EventSource for KafkaSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError> {
        let watch = Arc::new(Watch { source: self.name.clone(), failing: AtomicBool::new(false) });
        let consumer = self.subscribe(Context(watch.clone()))?;
        loop {
            let message = tokio::select! {
                message = consumer.recv() => message,
                () = stop.cancelled() => break,
            };
            match message {
                Ok(message) => {
                    watch.works();
                    if let Some(error) = self.take(&consumer, message, &*sink).await? {
                        self.failed(&error, &watch)?;
                    }
                }
                Err(error) => self.failed(&error, &watch)?,
            }
        }
        // Leaving the group commits what is stored, and takes a moment.
        let left = tokio::task::spawn_blocking(move || drop(consumer)).await;
        left.map_err(|error| PortError::new(ErrorKind::Unavailable, "the source ended badly").with_source(error))
    }
}

impl KafkaSource {
    fn subscribe(&self, context: Context) -> Result<StreamConsumer<Context>, PortError> {
        let failed = |error: KafkaError| port_error(&self.name, "cannot join the group", &error);
        let group = self.config.group.clone().unwrap_or_else(|| format!("parapet-{}", self.name));
        let start = if self.config.start == Start::Latest { "latest" } else { "earliest" };
        let mut client = self.brokers.member(&group);
        // Offsets are stored when the records are durable, and committed from there.
        client.set("enable.auto.commit", "true").set("auto.commit.interval.ms", "500").set("auto.offset.reset", start);
        let consumer: StreamConsumer<Context> = client.create_with_context(context).map_err(failed)?;
        let topics: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(failed)?;
        Ok(consumer)
    }

    /// What only a person can mend ends the source; anything else passes.
    fn failed(&self, error: &KafkaError, watch: &Watch) -> Result<(), PortError> {
        let failure = port_error(&self.name, "cannot read", error);
        if failure.kind == ErrorKind::Config {
            return Err(failure);
        }
        watch.fails(error);
        Ok(())
    }

    /// Makes a message durable, and with it those that are there already. Returns the error that ended
    /// those, if there was one.
    async fn take(
        &self,
        consumer: &StreamConsumer<Context>,
        first: BorrowedMessage<'_>,
        sink: &dyn RecordSink,
    ) -> Result<Option<KafkaError>, PortError> {
        let mut batch = vec![first];
        let mut bytes = batch[0].payload_len();
        let mut failure = None;
        while batch.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX {
            match consumer.recv().now_or_never() {
                Some(Ok(message)) => {
                    bytes += message.payload_len();
                    batch.push(message);
                }
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
                None => break,
            }
        }
        for messages in batch.chunk_by(|one, next| is_json(one) && is_json(next)) {
            hand_on(messages, sink).await?;
        }
        for message in &batch {
            // A partition that was taken away meanwhile is read again by its next owner.
            if let Err(error) = consumer.store_offset_from_message(message) {
                tracing::debug!(source = self.name, %error, "an offset cannot be stored; its message comes again");
            }
        }
        Ok(failure)
    }
}

/// JSON records are a line each and belong to nothing before them, so messages of them go together; the
/// records of any other message end with it.
fn is_json(message: &BorrowedMessage<'_>) -> bool {
    message.payload().is_some_and(|payload| payload.trim_ascii_start().starts_with(b"{"))
}

/// Hands messages to one session, and waits until their records are durable.
async fn hand_on(messages: &[BorrowedMessage<'_>], sink: &dyn RecordSink) -> Result<(), PortError> {
    let mut session = sink.session();
    let mut lines = Vec::new();
    for message in messages {
        match message.payload() {
            Some(payload) if !payload.is_empty() => {
                lines.extend_from_slice(payload);
                if !payload.ends_with(b"\n") {
                    lines.push(b'\n');
                }
            }
            _ => {
                let place = format!("{}/{}/{}", message.topic(), message.partition(), message.offset());
                session.refuse(b"", &format!("the message {place} has no value")).await?;
            }
        }
    }
    let received = messages.first().and_then(|message| message.timestamp().to_millis());
    let received = received.and_then(chrono::DateTime::from_timestamp_millis).unwrap_or_else(Utc::now);
    session.take(&lines, Some(received)).await?;
    session.finish().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_the_configuration_are_named() {
        for (toml, part) in [
            ("brokers = [\"a:1\"]", "missing field `topics`"),
            ("topics = []", "topics: name at least one"),
            ("topics = [\"a b\"]", "topics: name at least one"),
            ("topics = [\"a\"]\ngroup = \"\"", "group"),
            ("topics = [\"a\"]\nstart = \"middle\"", "unknown variant `middle`"),
            ("topics = [\"a\"]\ntopic = \"a\"", "unknown field `topic`"),
            ("topics = [\"a\"]\nusername = \"SECRET\"", "need each other"),
        ] {
            let settings = Settings { name: "fleet".into(), table: toml.parse().unwrap() };
            let error = check(settings).err().unwrap_or_else(|| panic!("accepted: {toml}"));
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.to_string().starts_with("fleet: ") && error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
