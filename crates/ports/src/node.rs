//! What the processes of one installation tell each other, when its roles are split over machines.
//!
//! A process answers under [`PREFIX`] to whoever has the installation's token (`Authorization:
//! Bearer …`). Bodies are JSON. Paths below the prefix:
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET status` | – | [`NodeStatus`] |
//! | `POST events/query` | [`EventQuery`](parapet_event::EventQuery) | [`EventPage`](parapet_event::EventPage) |
//! | `POST events/aggregate` | [`AggregateQuery`](parapet_event::AggregateQuery) | array of [`Bucket`](parapet_event::Bucket) |
//! | `GET events/{id}` | – | [`SecurityEvent`](parapet_event::SecurityEvent), or 404 |
//! | `POST alerts/query` | [`AlertQuery`](crate::alerts::AlertQuery) | array of [`Alert`](parapet_event::Alert) |
//! | `GET alerts/{id}` | – | [`Alert`](parapet_event::Alert), or 404 |
//! | `POST alerts/{id}/state` | [`Triage`] | 204, or 404 |
//! | `GET live` | – | one JSON [`LiveMessage`](crate::live::LiveMessage) per line, an empty line as heartbeat |
//!
//! Events are answered by the role `analytics`, alerts by the role `realtime`, anything else by all.

use crate::ledger::{HopCount, WorkerCount};
use crate::traffic::TrafficTotals;
use parapet_event::AlertState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Where every path begins. The version changes when an answer changes its meaning.
pub const PREFIX: &str = "/peer/v1";

/// A part of the work that a process can have by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Inspects traffic, takes events in and makes them durable in the spool.
    Gateway,
    /// Reads the spool and puts every event on its tracks.
    Router,
    /// Reads the real-time track, raises and delivers alerts.
    Realtime,
    /// Reads the analytics track and writes the history.
    Analytics,
    /// Serves people: API and web console.
    Console,
}

impl Role {
    /// All roles, in the order of the story.
    pub const ALL: [Role; 5] = [Role::Gateway, Role::Router, Role::Realtime, Role::Analytics, Role::Console];

    /// The name used on the command line and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::Router => "router",
            Role::Realtime => "realtime",
            Role::Analytics => "analytics",
            Role::Console => "console",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
            format!("unknown role `{text}`; roles are {}", known.join(", "))
        })
    }
}

/// What a process says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Name of the process in the consumer groups.
    pub name: String,
    /// Version of its binary.
    pub version: String,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Hash of the policy in force, of a gateway.
    pub policy: Option<String>,
    /// Names of the sites it protects, of a gateway.
    pub sites: Vec<String>,
    /// Requests it saw, of a gateway.
    pub traffic: Option<TrafficTotals>,
    /// Its account of events, hop by hop.
    pub ledger: BTreeMap<String, HopCount>,
    /// What its hops saw of each producer's numbers, of the newest producers.
    pub workers: Vec<WorkerCount>,
    /// What is wrong with it right now.
    pub problems: Vec<String>,
}

/// A triage decision on its way to the process that keeps the alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triage {
    /// New state.
    pub state: AlertState,
    /// User who decided.
    pub by: String,
    /// Address the user came from, for the audit trail.
    pub from: IpAddr,
}
