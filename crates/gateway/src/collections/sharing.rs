//! Carries changes of collections to a shared state, and what others have changed back.

use super::Collections;
use parapet_engine::persistence::{Changes, CollectionId, StoredCollection};
use parapet_engine::seclang::ast::PersistentCollection;
use parapet_ports::{ErrorKind, PortError, State};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Collections with changes to be carried; those of others stay local.
const MOST_PENDING: usize = 100_000;
/// Collections to be read.
const MOST_WANTED: usize = 20_000;
/// Calls at once.
const AT_ONCE: usize = 32;
/// Longest time for one collection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rest after a failure.
const REST: Duration = Duration::from_secs(1);
/// How often a change is tried while others change the same collection.
const TRIES: usize = 20;
/// Shortest time a collection is kept in the shared state.
const SHORTEST: Duration = Duration::from_secs(1);

/// What waits to be carried. It takes nothing before there is a shared state.
#[derive(Default)]
pub(super) struct Queue {
    open: bool,
    pending: HashMap<CollectionId, Changes>,
    wanted: HashSet<CollectionId>,
}

impl Queue {
    /// Changes that have not been carried.
    pub(super) fn pending(&self, id: &CollectionId) -> Option<&Changes> {
        self.pending.get(id)
    }

    /// A collection should be read.
    pub(super) fn want(&mut self, id: &CollectionId) {
        if self.open && self.wanted.len() < MOST_WANTED && !self.wanted.contains(id) {
            self.wanted.insert(id.clone());
        }
    }

    /// A collection was changed.
    pub(super) fn change(&mut self, id: &CollectionId, changes: Changes) {
        if !self.open {
            return;
        }
        if let Some(earlier) = self.pending.get_mut(id) {
            earlier.merge(changes);
        } else if self.pending.len() < MOST_PENDING {
            self.pending.insert(id.clone(), changes);
        } else {
            metrics::counter!("parapet_collections_unshared_total").increment(1);
        }
    }

    /// Changes could not be carried; others may have come since.
    fn put_back(&mut self, id: CollectionId, mut changes: Changes) {
        if let Some(later) = self.pending.remove(&id) {
            changes.merge(later);
        }
        self.pending.insert(id, changes);
    }
}

/// What to do for one collection.
type Errand = (CollectionId, Option<Changes>);

impl Collections {
    /// Shares the collections through a state until `stop` turns true, then hands over what is left.
    pub(crate) async fn share(
        self: Arc<Self>,
        state: Arc<dyn State>,
        every: Duration,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let stopping = tokio::select! {
                () = sleep(every) => false,
                // An error says that whoever could ask for the end is gone.
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let result = self.carry_all(&state).await;
            if stopping {
                return;
            }
            if let Err(error) = result {
                tracing::warn!(state = state.name(), %error, "collections are not shared; each instance counts alone");
                metrics::counter!("parapet_collections_share_failures_total").increment(1);
                sleep(REST).await;
            }
        }
    }

    /// Begins to note what is to be carried. To be called before the first request.
    pub(crate) fn open_queue(&self) {
        self.queue.lock().open = true;
    }

    /// Carries everything that waits; the first error ends it, and what was not carried waits on.
    async fn carry_all(self: &Arc<Self>, state: &Arc<dyn State>) -> Result<(), PortError> {
        let mut errands = self.take_errands().into_iter();
        let mut running = JoinSet::new();
        let mut failure = None;
        loop {
            while running.len() < AT_ONCE && failure.is_none() {
                let Some((id, changes)) = errands.next() else { break };
                let (collections, state) = (Arc::clone(self), Arc::clone(state));
                running.spawn(async move { collections.carry(&*state, id, changes).await });
            }
            match running.join_next().await {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => failure = Some(error),
                Some(Err(error)) => {
                    failure = Some(PortError::new(ErrorKind::Unavailable, "a task ended early").with_source(error));
                }
            }
        }
        for (id, changes) in errands {
            if let Some(changes) = changes {
                self.queue.lock().put_back(id, changes);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn take_errands(&self) -> Vec<Errand> {
        let mut queue = self.queue.lock();
        let pending = std::mem::take(&mut queue.pending);
        let wanted = std::mem::take(&mut queue.wanted);
        drop(queue);
        let reads = wanted.into_iter().filter(|id| !pending.contains_key(id)).map(|id| (id, None)).collect::<Vec<_>>();
        pending.into_iter().map(|(id, changes)| (id, Some(changes))).chain(reads).collect()
    }

    /// Carries the changes of one collection, or reads it.
    async fn carry(&self, state: &dyn State, id: CollectionId, changes: Option<Changes>) -> Result<(), PortError> {
        let result = match timeout(PATIENCE, merge(state, &id, changes.as_ref())).await {
            Ok(result) => result,
            Err(_) => Err(PortError::new(ErrorKind::Unavailable, "the shared state does not answer")),
        };
        match result {
            Ok(Some(stored)) => self.accept(&id, stored),
            Ok(None) => self.accept_absence(&id),
            // What the state refuses will not get better by waiting.
            Err(error) if error.kind == ErrorKind::Rejected => {
                metrics::counter!("parapet_collections_unshared_total").increment(1);
            }
            Err(error) => {
                if let Some(changes) = changes {
                    self.queue.lock().put_back(id, changes);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Merges changes into what the shared state has; what it has then.
async fn merge(
    state: &dyn State,
    id: &CollectionId,
    changes: Option<&Changes>,
) -> Result<Option<StoredCollection>, PortError> {
    let key = key(id);
    for _ in 0..TRIES {
        let bytes = state.get(&key).await?;
        let stored = bytes.as_deref().and_then(StoredCollection::from_bytes);
        let Some(changes) = changes else { return Ok(stored) };
        let mut stored = stored.unwrap_or_else(|| StoredCollection::new(changes.now));
        stored.apply(changes);
        let time = Duration::from_secs(stored.timeout.into()).max(SHORTEST);
        if state.compare_and_swap(&key, bytes.as_deref(), Some(&stored.to_bytes()), time).await? {
            return Ok(Some(stored));
        }
    }
    Err(PortError::new(ErrorKind::Unavailable, "too many instances change the same collection"))
}

/// The key under which the shared state knows a collection.
fn key(id: &CollectionId) -> Vec<u8> {
    let collection: &[u8] = match id.collection {
        PersistentCollection::Ip => b"ip",
        PersistentCollection::Session => b"session",
        PersistentCollection::User => b"user",
        PersistentCollection::Global => b"global",
        PersistentCollection::Resource => b"resource",
    };
    [b"collection\0", id.application.as_slice(), b"\0", collection, b"\0", &id.key].concat()
}
