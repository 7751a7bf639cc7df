//! One consumer: a handle on the process's seat in the group.

use super::books::{Content, Handed};
use super::member::Seat;
use async_trait::async_trait;
use parapet_ports::stream::Undecodable;
use parapet_ports::{Entry, EntryId, PortError, StreamConsumer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A consumer. Consumers of one group in one process share its entries.
pub(crate) struct Consumer {
    seat: Arc<Seat>,
    undecodable: Vec<Undecodable>,
}

impl Consumer {
    pub(crate) fn new(seat: Arc<Seat>) -> Consumer {
        Consumer { seat, undecodable: Vec::new() }
    }

    /// Sorts events from what is none.
    fn sort(&mut self, handed: Vec<Handed>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(handed.len());
        for Handed { id, deliveries, content } in handed {
            match content {
                Content::Event(event) => entries.push(Entry { id, deliveries, event }),
                Content::Undecodable { reason, bytes } => self.undecodable.push(Undecodable { id, reason, bytes }),
            }
        }
        entries
    }
}

#[async_trait]
impl StreamConsumer for Consumer {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, PortError> {
        let deadline = tokio::time::Instant::now() + wait.min(Duration::from_secs(86_400));
        let seat = Arc::clone(&self.seat);
        loop {
            let readable = seat.shared.readable.notified();
            tokio::pin!(readable);
            readable.as_mut().enable();
            let (handed, error) = {
                let mut state = seat.shared.state();
                let handed = state.books.hand_out(max, seat.max_pending, Instant::now());
                let error = state.error(&seat.shared.stream);
                (handed, error)
            };
            if !handed.is_empty() || max == 0 {
                seat.shared.room.notify_all();
                return Ok(self.sort(handed));
            }
            if let Some(error) = error {
                return Err(error);
            }
            if tokio::time::timeout_at(deadline, readable).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn take_undecodable(&mut self) -> Vec<Undecodable> {
        std::mem::take(&mut self.undecodable)
    }

    async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), PortError> {
        self.seat.shared.state().books.acknowledge(ids);
        // A consumer may be waiting because too much was open.
        self.seat.shared.readable.notify_waiters();
        Ok(())
    }

    async fn reclaim(&mut self, idle: Duration, max: usize) -> Result<Vec<Entry>, PortError> {
        let handed = self.seat.shared.state().books.reclaim(idle, max, Instant::now());
        Ok(self.sort(handed))
    }
}
