//! Alerts: what the real-time track raises and channels deliver.

use crate::{AttackClass, Severity};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use ulid::Ulid;

/// Raised when a real-time event is severe enough. Repeats of the same (site, client, class) within
/// the dedup window count onto the open alert instead of raising another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique, sortable by time.
    pub id: Ulid,
    /// When it was raised.
    pub timestamp: DateTime<Utc>,
    /// Event that raised it.
    pub event_id: Ulid,
    /// One line for people.
    pub title: String,
    /// Severity of the event.
    pub severity: Severity,
    /// Class of the event.
    pub attack_type: Option<AttackClass>,
    /// Client of the event.
    pub client_ip: IpAddr,
    /// Site of the event.
    pub site: String,
    /// Rule with the most points.
    pub rule_id: Option<String>,
    /// Events counted onto this alert, the first included.
    pub count: u64,
    /// When the last of them arrived.
    pub last_seen: DateTime<Utc>,
    /// Triage state.
    pub state: AlertState,
    /// One entry per channel.
    pub deliveries: Vec<Delivery>,
}

/// Triage state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Nobody looked yet.
    Open,
    /// Somebody is on it.
    Acknowledged,
    /// Done.
    Closed,
}

/// Delivery of an alert to one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Name of the channel in the configuration.
    pub channel: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When the state was reached.
    pub timestamp: DateTime<Utc>,
    /// Last error, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Queued or being tried. Taken up again after a restart.
    Pending,
    /// The channel confirmed it.
    Delivered,
    /// Every attempt failed.
    Failed,
}
