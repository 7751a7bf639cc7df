//! One member of a consumer group.

use super::group::Ticket;
use super::{Owner, blocking};
use crate::clock;
use async_trait::async_trait;
use parapet_ports::{Entry, EntryId, PortError, StreamConsumer};
use std::sync::Arc;
use std::time::Duration;

/// Entries that one call hands out.
const BATCH_MAX: usize = 10_000;

/// A member. Members of a group are not told apart: they share the group's state.
pub(crate) struct Consumer {
    owner: Arc<Owner>,
    group: String,
}

/// Entries on their way to the caller. If the call is cancelled they go back to the group.
struct Delivery<'a> {
    consumer: &'a Consumer,
    tickets: Vec<Ticket>,
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if self.tickets.is_empty() {
            return;
        }
        let log = &self.consumer.owner.log;
        if let Some(group) = log.state().groups.get_mut(&self.consumer.group) {
            group.give_back(&self.tickets);
        }
        log.readable.notify_waiters();
    }
}

impl Consumer {
    pub(crate) fn new(owner: Arc<Owner>, group: &str) -> Consumer {
        Consumer { owner, group: group.to_owned() }
    }

    fn take(&self, max: usize) -> Vec<Ticket> {
        let log = &self.owner.log;
        let mut state = log.state();
        let end = state.next;
        let tickets = match state.groups.get_mut(&self.group) {
            Some(group) => group.take(max.min(BATCH_MAX), log.config.max_pending, end, clock::ticks()),
            None => Vec::new(),
        };
        state.unsaved |= !tickets.is_empty();
        tickets
    }

    /// Fetches the events of tickets taken from the group.
    async fn deliver(&self, tickets: Vec<Ticket>) -> Result<Vec<Entry>, PortError> {
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut delivery = Delivery { consumer: self, tickets };
        let (log, group, tickets) = (Arc::clone(&self.owner.log), self.group.clone(), delivery.tickets.clone());
        let (cached, extracts, gone) = log.state().locate(&tickets);
        let fetched = if extracts.is_empty() && gone.is_empty() {
            super::log::Fetched { events: cached.into_iter().collect(), rest: Vec::new() }
        } else {
            blocking(move || log.fetch(&group, &tickets)).await?
        };
        let mut entries = Vec::with_capacity(delivery.tickets.len());
        for ticket in &delivery.tickets {
            if let Some(event) = fetched.events.get(&ticket.sequence) {
                let id = EntryId(ticket.sequence, 0);
                entries.push(Entry { id, deliveries: ticket.deliveries, event: event.clone() });
            }
        }
        // Only what did not fit into this read goes back.
        delivery.tickets.retain(|ticket| fetched.rest.contains(&ticket.sequence));
        Ok(entries)
    }
}

#[async_trait]
impl StreamConsumer for Consumer {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, PortError> {
        let deadline = tokio::time::Instant::now() + wait.min(Duration::from_secs(86_400));
        loop {
            let readable = self.owner.log.readable.notified();
            tokio::pin!(readable);
            readable.as_mut().enable();
            let tickets = self.take(max);
            let nothing_new = tickets.is_empty();
            let entries = self.deliver(tickets).await?;
            if !entries.is_empty() || max == 0 {
                return Ok(entries);
            }
            if !nothing_new {
                // All of them turned out to be damaged; what follows may not be.
                continue;
            }
            if tokio::time::timeout_at(deadline, readable).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), PortError> {
        let mut state = self.owner.log.state();
        if let Some(group) = state.groups.get_mut(&self.group) {
            let acknowledged = ids.iter().filter(|id| group.acknowledge(id.0)).count();
            state.unsaved |= acknowledged > 0;
        }
        let floor = state.floor();
        state.cache.forget_below(floor);
        drop(state);
        // A member may be waiting because the group had too much open.
        self.owner.log.readable.notify_waiters();
        Ok(())
    }

    async fn reclaim(&mut self, idle: Duration, max: usize) -> Result<Vec<Entry>, PortError> {
        let tickets = {
            let mut state = self.owner.log.state();
            let group = state.groups.get_mut(&self.group);
            group.map(|group| group.reclaim(idle, max.min(BATCH_MAX), clock::ticks())).unwrap_or_default()
        };
        self.deliver(tickets).await
    }
}
