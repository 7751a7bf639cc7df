//! What just happened, for consoles that watch.

use crate::SharedEvent;
use parapet_event::Alert;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Something a watching console shows at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveMessage {
    /// A classified event.
    Event(SharedEvent),
    /// An alert was raised or changed.
    Alert(Arc<Alert>),
}

/// Broadcasts to every watcher. A watcher that is too slow misses messages and is told how many.
#[derive(Debug, Clone)]
pub struct LiveFeed {
    sender: broadcast::Sender<LiveMessage>,
}

impl LiveFeed {
    /// A feed that keeps `capacity` messages for slow watchers.
    pub fn new(capacity: usize) -> Self {
        LiveFeed { sender: broadcast::channel(capacity).0 }
    }

    /// Sends to all watchers; does nothing where there are none.
    pub fn publish(&self, message: LiveMessage) {
        // An error only says that nobody watches.
        let _ = self.sender.send(message);
    }

    /// Starts watching from now on.
    pub fn watch(&self) -> broadcast::Receiver<LiveMessage> {
        self.sender.subscribe()
    }
}
