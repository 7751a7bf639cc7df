//! What the client library tells besides messages: errors, finished commits, and partitions that come and
//! go.

use super::books::Books;
use super::position::Position;
use parapet_ports::{ErrorKind, PortError};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the thread that reads from Kafka shares with consumers and callbacks.
pub(crate) struct Shared {
    pub(crate) stream: String,
    pub(crate) topic: String,
    pub(crate) group: String,
    state: Mutex<State>,
    /// Entries became ready, or reading fails.
    pub(crate) readable: Notify,
    /// Entries were taken or acknowledged, or the thread shall stop.
    pub(crate) room: Condvar,
}

/// The state behind the lock.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) books: Books,
    /// The first assignment arrived, which may be empty.
    pub(crate) joined: bool,
    /// Why reading does not work now.
    pub(crate) failure: Option<(ErrorKind, String)>,
    pub(crate) stop: bool,
    pub(crate) stopped: bool,
}

impl Shared {
    pub(crate) fn new(stream: &str, topic: &str, group: &str) -> Shared {
        Shared {
            stream: stream.to_owned(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            state: Mutex::default(),
            readable: Notify::new(),
            room: Condvar::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reading does not work; consumers hear of it.
    pub(crate) fn fails(&self, kind: ErrorKind, reason: String) {
        self.state().failure.get_or_insert((kind, reason));
        self.readable.notify_waiters();
    }

    /// Positions as a list to commit.
    pub(crate) fn commit_list(&self, positions: &[(i32, Position)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (partition, position) in positions {
            let mut element = list.add_partition(&self.topic, *partition);
            element.set_offset(Offset::Offset(position.floor))?;
            element.set_metadata(position.metadata());
        }
        Ok(list)
    }
}

impl State {
    /// The failure as an error at the seam.
    pub(crate) fn error(&self, stream: &str) -> Option<PortError> {
        self.failure.as_ref().map(|(kind, reason)| PortError::new(*kind, format!("{stream}: {reason}")))
    }
}

/// Callbacks of the consumer.
pub(crate) struct Context(pub(crate) std::sync::Arc<Shared>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(stream = self.0.stream, %error, reason, "kafka consumer");
        match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => {
                self.0.fails(ErrorKind::Unavailable, format!("all brokers are away: {reason}"))
            }
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                self.0.fails(ErrorKind::Config, format!("the brokers refuse the user: {reason}"));
            }
            _ => {}
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| list.elements().iter().map(|e| e.partition()).collect::<Vec<_>>();
        match rebalance {
            Rebalance::Assign(list) => {
                let assigned = partitions(list);
                tracing::info!(stream = self.0.stream, group = self.0.group, ?assigned, "partitions are assigned");
                self.0.state().joined = true;
            }
            Rebalance::Revoke(list) => {
                let revoked = partitions(list);
                tracing::info!(stream = self.0.stream, group = self.0.group, ?revoked, "partitions are taken away");
                self.give_up(consumer, &revoked);
            }
            Rebalance::Error(error) => tracing::warn!(stream = self.0.stream, %error, "rebalancing failed"),
        }
        self.0.readable.notify_waiters();
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let mut state = self.0.state();
        for element in offsets.elements() {
            if result.is_err() || element.error().is_err() {
                state.books.uncommitted(element.partition());
            }
        }
        if let Err(error) = result {
            tracing::debug!(stream = self.0.stream, group = self.0.group, %error, "a commit failed; it is made again");
        }
    }
}

impl Context {
    /// Commits what is acknowledged, while the group still lets this process, and forgets the partitions.
    fn give_up(&self, consumer: &BaseConsumer<Self>, revoked: &[i32]) {
        let mut positions = Vec::new();
        for partition in revoked {
            let mut state = self.0.state();
            positions.extend(state.books.take_dirty(Some(*partition)));
            state.books.revoke(*partition);
        }
        if positions.is_empty() || consumer.assignment_lost() {
            return;
        }
        let committed = self.0.commit_list(&positions).and_then(|list| consumer.commit(&list, CommitMode::Sync));
        if let Err(error) = committed {
            tracing::warn!(stream = self.0.stream, group = self.0.group, %error, "acknowledged entries come again");
        }
    }
}
