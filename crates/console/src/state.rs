//! What the console needs from the other rooms, and what its handlers share.

use crate::config::Settings;
use crate::peer::PeerApi;
use axum::extract::FromRef;
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
    /// What is running.
    pub info: Info,
    /// What this process answers as every other does.
    pub node: Node,
}

/// What every process answers, whatever its roles: how it is, and its peers.
#[derive(Clone)]
pub struct Node {
    /// All metrics in the Prometheus text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Why the process is not ready, one reason per line; empty when it is. Must not block.
    pub readiness: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What peers may ask; `None` refuses them.
    pub peers: Option<PeerApi>,
}

/// What a listener serves.
#[derive(Clone, Debug)]
pub enum Front {
    /// People: console and API.
    Console(Box<Console>),
    /// Probes and peers only.
    Node(Node),
}

impl Front {
    /// What every process answers.
    pub(crate) fn node(&self) -> &Node {
        match self {
            Front::Console(console) => &console.node,
            Front::Node(node) => node,
        }
    }
}

impl From<Console> for Front {
    fn from(console: Console) -> Self {
        Front::Console(Box::new(console))
    }
}

impl From<Node> for Front {
    fn from(node: Node) -> Self {
        Front::Node(node)
    }
}

/// What is running.
#[derive(Clone)]
pub struct Info {
    /// Version of the binary.
    pub version: String,
    /// Hash of the policy in force now.
    pub policy: Arc<dyn Fn() -> String + Send + Sync>,
    /// Names of the sites protected now.
    pub sites: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
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
        f.debug_struct("Info").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("peers", &self.peers).finish_non_exhaustive()
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

/// What the handlers share that every process has.
#[derive(Clone)]
pub(crate) struct NodeApp {
    pub(crate) node: Node,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl FromRef<App> for NodeApp {
    fn from_ref(app: &App) -> Self {
        NodeApp { node: app.console.node.clone(), settings: app.settings.clone(), shutdown: app.shutdown.clone() }
    }
}

/// Returns when the server stops.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    // An error says that whoever could ask to stop is gone, which means the same.
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}
