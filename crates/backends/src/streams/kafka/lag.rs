//! How far a group is behind: the brokers' offsets against the group's positions.

use super::books::{Count, count_committed};
use super::config::Config;
use super::context::{Context, Shared};
use super::member::{Seat, committed};
use crate::kafka::failure::port_error;
use parapet_ports::stream::Lag;
use parapet_ports::{ErrorKind, PortError};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::time::Duration;

/// Asks the brokers. Through the seat if there is one: then what this process has read counts as pending.
pub(crate) async fn ask(
    stream: &str,
    config: &Config,
    topic: &str,
    group: &str,
    seat: Option<Arc<Seat>>,
) -> Result<Lag, PortError> {
    let (topic_name, timeout) = (topic.to_owned(), config.timeout());
    let look = move |consumer: &BaseConsumer<Context>, seat: Option<&Seat>| look(consumer, seat, &topic_name, timeout);
    asked(stream, config, topic, group, seat, "the lag", look).await
}

/// Asks the brokers how many members the group has.
pub(crate) async fn readers(
    stream: &str,
    config: &Config,
    topic: &str,
    group: &str,
    seat: Option<Arc<Seat>>,
) -> Result<usize, PortError> {
    let (name, timeout) = (group.to_owned(), config.timeout());
    let look = move |consumer: &BaseConsumer<Context>, _: Option<&Seat>| {
        let list = consumer.fetch_group_list(Some(&name), timeout)?;
        Ok(list.groups().iter().map(|group| group.members().len()).sum())
    };
    asked(stream, config, topic, group, seat, "the members", look).await
}

/// Asks something that blocks, with the seat's client or one that only asks in the name of the group.
async fn asked<T: Send + 'static>(
    stream: &str,
    config: &Config,
    topic: &str,
    group: &str,
    seat: Option<Arc<Seat>>,
    what: &str,
    look: impl FnOnce(&BaseConsumer<Context>, Option<&Seat>) -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, PortError> {
    let doing = format!("cannot ask for {what} of {group}");
    let consumer = match seat.as_ref().and_then(|seat| seat.consumer()) {
        Some(consumer) => consumer,
        None => {
            let context = Context(Arc::new(Shared::new(stream, topic, group)));
            let created = config.member(group).create_with_context(context);
            Arc::new(created.map_err(|error| port_error(stream, &doing, &error))?)
        }
    };
    let asked = tokio::task::spawn_blocking(move || look(&consumer, seat.as_deref())).await;
    match asked {
        Ok(outcome) => outcome.map_err(|error| port_error(stream, &doing, &error)),
        Err(error) => Err(PortError::new(ErrorKind::Unavailable, format!("{stream}: {doing}")).with_source(error)),
    }
}

fn look(
    consumer: &BaseConsumer<Context>,
    seat: Option<&Seat>,
    topic: &str,
    timeout: Duration,
) -> Result<Lag, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let partitions: Vec<_> =
        metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect();
    let mut lag = Lag::default();
    for (partition, position) in committed(consumer, topic, &partitions, timeout)? {
        let (low, high) = consumer.fetch_watermarks(topic, partition, timeout)?;
        let own = seat.and_then(|seat| seat.shared.state().books.count(partition, low, high));
        let Count { unread, pending, dropped } = own.unwrap_or_else(|| count_committed(position.as_ref(), low, high));
        lag.appended += high.max(0) as u64;
        lag.unread += unread;
        lag.pending += pending;
        lag.dropped += dropped;
    }
    Ok(lag)
}
