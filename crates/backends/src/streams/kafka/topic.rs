//! The topic: created if it is not there, with the configured partitions, replicas and retention.

use super::config::Config;
use super::failure::{code, port_error};
use parapet_ports::{ErrorKind, PortError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

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
    let results = client.create_topics([&new], &options).await.map_err(|error| match code(&error) {
        Some(Code::OperationTimedOut | Code::RequestTimedOut) => {
            let (brokers, limit) = (config.brokers.join(", "), timeout.as_millis());
            PortError::new(ErrorKind::Unavailable, format!("{stream}: no answer from {brokers} within {limit} ms"))
        }
        _ => failed(&error),
    })?;
    for result in results {
        match result {
            Ok(_) => tracing::info!(stream, topic, partitions = config.partitions, "created the topic"),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(&KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}
