//! What the console needs from the other rooms, and what its handlers share.

use crate::config::Settings;
use parapet_ports::{Accounts, AlertStore, EventStore, Ledger, LiveFeed, TrafficSource};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

/// The seams the console stands on.
#[derive(Clone)]
pub struct Console {
    /// History of events.
    pub store: Arc<dyn EventStore>,
    /// Alerts and their triage state.
    pub alerts: Arc<dyn AlertStore>,
    /// Users and sessions.
    pub accounts: Arc<dyn Accounts>,
    /// Totals of all traffic.
    pub traffic: Arc<dyn TrafficSource>,
    /// Account of every event.
    pub ledger: Arc<dyn Ledger>,
    /// What just happened.
    pub live: LiveFeed,
    /// All metrics in the Prometheus text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Why the process is not ready, one reason per line; empty when it is. Must not block.
    pub readiness: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What is running.
    pub info: Info,
}

/// What is running.
#[derive(Clone)]
pub struct Info {
    /// Version of the binary.
    pub version: String,
    /// Hash of the policy in force now.
    pub policy: Arc<dyn Fn() -> String + Send + Sync>,
    /// Names of the protected sites.
    pub sites: Vec<String>,
    /// When the process started.
    pub started: Instant,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("store", &self.store.name()).field("info", &self.info).finish_non_exhaustive()
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").field("version", &self.version).field("sites", &self.sites).finish_non_exhaustive()
    }
}

/// Shared by all handlers.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) console: Console,
    pub(crate) settings: Arc<Settings>,
    /// One permit per watcher of the live stream.
    pub(crate) watchers: Arc<Semaphore>,
    /// Becomes `true` when the server stops.
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// Returns when the server stops.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    // An error says that whoever could ask to stop is gone, which means the same.
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}
