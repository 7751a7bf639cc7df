//! The topic: created if it is not there, with the configured partitions, replicas and retention.

use super::config::Config;
use crate::kafka::failure::{code, port_error};
use parapet_ports::{ErrorKind, PortError};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long it is listened whether the brokers refuse the user.
const ASK_MAX: Duration = Duration::from_secs(4);

/// Makes sure that the topic is there. This is also where wrong addresses and users are found out.
pub(crate) async fn ensure(stream: &str, config: &Config, topic: &str) -> Result<(), PortError> {
    let doing = format!("cannot create the topic {topic}");
    let failed = |error: &KafkaError| port_error(stream, &doing, error);
    let client: AdminClient<DefaultClientContext> = config.client().create().map_err(|error| failed(&error))?;
    let replication = config.replication.map_or(-1, i32::from);
    let retention_ms = config.retention_hours.map(|hours| (u64::from(hours) * 3_600_000).to_string());
    let retention_bytes = config.retention_bytes.map(|bytes| bytes.to_string());
    let mut new = NewTopic::new(topic, config.partitions.into(), TopicReplication::Fixed(replication));
    if let Some(retention) = &retention_ms {
        new = new.set("retention.ms", retention);
    }
    if let Some(retention) = &retention_bytes {
        new = new.set("retention.bytes", retention);
    }
    let timeout = config.timeout();
    let options = AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
    let results = match client.create_topics([&new], &options).await {
        Ok(results) => results,
        Err(error) if matches!(code(&error), Some(Code::OperationTimedOut | Code::RequestTimedOut)) => {
            let (brokers, limit) = (config.brokers.brokers.join(", "), timeout.as_millis());
            let silent = || format!("{stream}: no answer from {brokers} within {limit} ms");
            let refused = whether_refused(config).await;
            return Err(
                refused.map_or_else(|| PortError::new(ErrorKind::Unavailable, silent()), |error| failed(&error))
            );
        }
        Err(error) => return Err(failed(&error)),
    };
    for result in results {
        match result {
            Ok(_) => tracing::info!(stream, topic, partitions = config.partitions, "created the topic"),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(&KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// Remembers that the brokers refuse the user, which they tell a client only on the side.
#[derive(Default)]
struct Refusals(Mutex<Option<KafkaError>>);

impl Refusals {
    fn told(&self) -> MutexGuard<'_, Option<KafkaError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Refusals {
    fn error(&self, error: KafkaError, _reason: &str) {
        if matches!(code(&error), Some(Code::Authentication | Code::SaslAuthenticationFailed)) {
            *self.told() = Some(error);
        }
    }
}

impl ConsumerContext for Refusals {}

/// Whether it is the user that the brokers do not answer.
async fn whether_refused(config: &Config) -> Option<KafkaError> {
    let client = config.member("parapet").create_with_context(Refusals::default());
    let consumer: BaseConsumer<Refusals> = client.ok()?;
    let ask = move || {
        let deadline = Instant::now() + ASK_MAX;
        while Instant::now() < deadline && consumer.context().told().is_none() {
            // What it answers is of no interest; asking makes it connect, polling lets it tell.
            let _ = consumer.fetch_metadata(None, ASK_MAX / 8);
            let _ = consumer.poll(Duration::ZERO);
        }
        consumer.context().told().take()
    };
    tokio::task::spawn_blocking(ask).await.ok().flatten()
}
