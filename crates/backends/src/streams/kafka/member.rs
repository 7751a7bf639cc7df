//! The process's seat in a consumer group: one thread that fetches, commits and takes part in
//! rebalancing, whatever number of consumers the process opens on the group.
//!
//! Acknowledgements are committed together, a few times a second. A seat that is given up commits what is
//! left and leaves the group, so that others take over at once.

use super::books::Content;
use super::config::Config;
use super::context::{Context, Shared};
use super::position::Position;
use crate::kafka::failure::port_error;
use crate::streams::wire;
use parapet_ports::{ErrorKind, PortError};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Fetched entries that wait for consumers at most.
const READY_MAX: usize = 10_000;
/// Messages taken from the library between looks at everything else.
const BATCH_MAX: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// How often it is asked whether the brokers are back.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// After this time without room fetching is paused, so that rebalancing goes on.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long giving up a seat may hold up its last consumer.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long joining may take before reads simply start out empty.
const JOIN_MAX: Duration = Duration::from_secs(10);

/// A seat in a group. Dropping it leaves the group.
pub(crate) struct Seat {
    pub(crate) shared: Arc<Shared>,
    pub(crate) max_pending: usize,
    /// The thread owns it: closing it is what leaves the group.
    consumer: Weak<BaseConsumer<Context>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stop = true;
        self.shared.room.notify_all();
        // The thread closes the consumer; it is waited for, so that the group knows before what comes next.
        let deadline = Instant::now() + CLOSE_MAX;
        while !state.stopped && Instant::now() < deadline {
            let waited = self.shared.room.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
        }
    }
}

impl Seat {
    /// Joins the group and waits for the first assignment.
    pub(crate) async fn take(stream: &str, config: &Config, topic: &str, group: &str) -> Result<Arc<Seat>, PortError> {
        let doing = format!("cannot join the group {group}");
        let shared = Arc::new(Shared::new(stream, topic, group));
        let context = Context(Arc::clone(&shared));
        let consumer: BaseConsumer<Context> =
            config.member(group).create_with_context(context).map_err(|error| port_error(stream, &doing, &error))?;
        consumer.subscribe(&[topic]).map_err(|error| port_error(stream, &doing, &error))?;
        let consumer = Arc::new(consumer);
        let seat =
            Seat { shared: Arc::clone(&shared), max_pending: config.max_pending, consumer: Arc::downgrade(&consumer) };
        let member =
            Member { shared, consumer, timeout: config.timeout(), committed: Instant::now(), probed: Instant::now() };
        thread::Builder::new().name(format!("kafka-{group}")).spawn(move || member.run()).map_err(|error| {
            PortError::new(ErrorKind::Unavailable, format!("{stream}: cannot start a thread")).with_source(error)
        })?;
        seat.joined().await?;
        Ok(Arc::new(seat))
    }

    /// The client, to ask the brokers.
    pub(crate) fn consumer(&self) -> Option<Arc<BaseConsumer<Context>>> {
        self.consumer.upgrade()
    }

    async fn joined(&self) -> Result<(), PortError> {
        let deadline = tokio::time::Instant::now() + JOIN_MAX;
        loop {
            let readable = self.shared.readable.notified();
            tokio::pin!(readable);
            readable.as_mut().enable();
            {
                let state = self.shared.state();
                if let Some(error) = state.error(&self.shared.stream) {
                    return Err(error);
                }
                if state.joined {
                    return Ok(());
                }
            }
            if tokio::time::timeout_at(deadline, readable).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The thread.
struct Member {
    shared: Arc<Shared>,
    consumer: Arc<BaseConsumer<Context>>,
    timeout: Duration,
    committed: Instant,
    probed: Instant,
}

impl Member {
    fn run(mut self) {
        while !self.shared.state().stop {
            self.commit();
            self.probe();
            if self.wait_for_room() {
                self.fetch();
            } else {
                self.sit_out();
            }
        }
        // Closing takes the partitions away, which commits what is acknowledged.
        drop(self.consumer);
        self.shared.state().stopped = true;
        self.shared.room.notify_all();
    }

    /// Commits changed positions, if it is time again.
    fn commit(&mut self) {
        if self.committed.elapsed() < COMMIT_INTERVAL {
            return;
        }
        self.committed = Instant::now();
        let positions = self.shared.state().books.take_dirty(None);
        if positions.is_empty() {
            return;
        }
        let committed =
            self.shared.commit_list(&positions).and_then(|list| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(stream = self.shared.stream, %error, "a commit failed; it is made again");
            let mut state = self.shared.state();
            positions.iter().for_each(|(partition, _)| state.books.uncommitted(*partition));
        }
    }

    /// While reading fails: asks whether it works again.
    fn probe(&mut self) {
        if self.probed.elapsed() < PROBE_INTERVAL || self.shared.state().failure.is_none() {
            return;
        }
        self.probed = Instant::now();
        if self.consumer.fetch_metadata(Some(&self.shared.topic), PROBE_INTERVAL).is_ok() {
            self.shared.state().failure = None;
        }
    }

    /// Waits a moment until consumers want more.
    fn wait_for_room(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state();
        while state.books.load().0 >= READY_MAX && !state.stop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Nobody wants more: takes part in the group without fetching.
    fn sit_out(&self) {
        let Ok(assignment) = self.consumer.assignment() else { return };
        if let Err(error) = self.consumer.pause(&assignment) {
            tracing::debug!(stream = self.shared.stream, %error, "cannot pause");
        }
        self.fetch();
        let assignment = self.consumer.assignment().unwrap_or(assignment);
        if let Err(error) = self.consumer.resume(&assignment) {
            tracing::debug!(stream = self.shared.stream, %error, "cannot resume");
        }
    }

    /// Takes what the library has fetched, waiting a moment for the first message.
    fn fetch(&self) {
        let mut batch = Vec::new();
        let mut patience = POLL;
        while batch.len() < BATCH_MAX {
            match self.consumer.poll(patience) {
                Some(Ok(message)) => {
                    if !self.is_open(message.partition()) {
                        break;
                    }
                    batch.push((message.partition(), message.offset(), content(&message)));
                }
                Some(Err(error)) => {
                    self.failed(&error);
                    break;
                }
                None => break,
            }
            patience = Duration::ZERO;
        }
        if batch.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        state.failure = None;
        let lost: u64 = batch.into_iter().map(|(p, offset, content)| state.books.fetched(p, offset, content)).sum();
        drop(state);
        self.report_lost(lost);
        self.shared.readable.notify_waiters();
    }

    fn report_lost(&self, events: u64) {
        if events > 0 {
            let Shared { stream, group, .. } = &*self.shared;
            tracing::error!(stream, group, events, "retention deleted entries before they were acknowledged");
        }
    }

    fn failed(&self, error: &KafkaError) {
        tracing::debug!(stream = self.shared.stream, %error, "polling");
        let error = port_error(&self.shared.stream, "cannot read", error);
        if error.kind == ErrorKind::Config {
            self.shared.fails(error.kind, error.to_string());
        }
    }

    /// Opens the partition of a message that came first, with the position that the group committed.
    /// Insists until that is known: without it entries would be lost or read again.
    fn is_open(&self, partition: i32) -> bool {
        loop {
            {
                let state = self.shared.state();
                if state.books.is_open(partition) {
                    return true;
                }
                if state.stop {
                    return false;
                }
            }
            match self.position(partition) {
                Ok((position, first)) => {
                    let lost = self.shared.state().books.open(partition, position, first);
                    self.report_lost(lost);
                }
                Err(error) => {
                    self.shared.fails(ErrorKind::Unavailable, format!("cannot ask for a position: {error}"));
                    thread::sleep(POLL);
                }
            }
        }
    }

    /// The committed position of a partition, and its first offset.
    fn position(&self, partition: i32) -> Result<(Position, i64), KafkaError> {
        let (low, _) = self.consumer.fetch_watermarks(&self.shared.topic, partition, self.timeout)?;
        let positions = committed(&self.consumer, &self.shared.topic, &[partition], self.timeout)?;
        let position = positions.into_iter().next().and_then(|(_, position)| position);
        Ok((position.unwrap_or_else(|| Position::starting_at(low)), low))
    }
}

/// Positions that the consumer's group committed; `None` where it never did.
pub(crate) fn committed(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> Result<Vec<(i32, Option<Position>)>, KafkaError> {
    let mut list = TopicPartitionList::new();
    partitions.iter().for_each(|partition| {
        list.add_partition(topic, *partition);
    });
    let list = consumer.committed_offsets(list, timeout)?;
    let position = |offset, metadata: &str| match offset {
        Offset::Offset(offset) => Some(Position::restore(offset, metadata)),
        _ => None,
    };
    let elements = list.elements();
    elements
        .iter()
        .map(|element| {
            element.error()?;
            Ok((element.partition(), position(element.offset(), element.metadata())))
        })
        .collect()
}

fn content(message: &BorrowedMessage<'_>) -> Content {
    let header = |name: &str| {
        let headers = message.headers()?;
        headers.iter().find(|header| header.key == name).and_then(|header| header.value)
    };
    let payload = message.payload().unwrap_or_default();
    match wire::decode(header(wire::VERSION_ATTRIBUTE), header(wire::ENCODING_ATTRIBUTE), payload) {
        Ok(event) => Content::Event(event),
        Err(reason) => Content::Undecodable { reason, bytes: payload.to_vec() },
    }
}
