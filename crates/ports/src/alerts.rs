//! Where alerts are kept and triaged.

use crate::PortError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_event::{Alert, AlertState};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use ulid::Ulid;

/// Which alerts, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertQuery {
    /// Raised at or after.
    pub start_time: Option<DateTime<Utc>>,
    /// Raised before.
    pub end_time: Option<DateTime<Utc>>,
    /// Triage state.
    pub state: Option<AlertState>,
    /// Only alerts older than this one.
    pub before: Option<Ulid>,
    /// At most so many (1–1,000).
    pub limit: usize,
}

/// The store of alerts.
#[async_trait]
pub trait AlertStore: Send + Sync {
    /// Inserts the alert, or replaces the one with the same id, except for its triage state: only
    /// [`AlertStore::set_state`] changes that, so that counting another event onto an alert never
    /// undoes what an analyst just decided.
    async fn put(&self, alert: &Alert) -> Result<(), PortError>;

    /// The same for several; a store that can does it in one transaction.
    async fn put_all(&self, alerts: &[Alert]) -> Result<(), PortError> {
        for alert in alerts {
            self.put(alert).await?;
        }
        Ok(())
    }

    /// One alert.
    async fn get(&self, id: Ulid) -> Result<Option<Alert>, PortError>;

    /// The triage states of those alerts that there are; a store that can asks once for all.
    async fn states(&self, ids: &[Ulid]) -> Result<Vec<(Ulid, AlertState)>, PortError> {
        let mut states = Vec::with_capacity(ids.len());
        for id in ids {
            states.extend(self.get(*id).await?.map(|alert| (*id, alert.state)));
        }
        Ok(states)
    }

    /// A page of alerts, newest first.
    async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, PortError>;

    /// Changes the triage state; `false` if there is no such alert. Who (`by`) and from where
    /// (`peer`) goes to the audit trail.
    async fn set_state(&self, id: Ulid, state: AlertState, by: &str, peer: IpAddr) -> Result<bool, PortError>;
}
