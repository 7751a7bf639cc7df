//! Deliveries that an earlier process left pending.
//!
//! An alert is stored before it is queued for its channels, so a crash in between, or while a
//! channel is slow, leaves it with pending deliveries. To deliver them the event is needed, which the
//! event store has as soon as the analytics track caught up. Looking for it happens beside the track,
//! because the store may be slow or away.

use chrono::Utc;
use parapet_event::{Alert, Delivery, DeliveryState, SecurityEvent};
use parapet_ports::EventStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often and how long an event is looked for: the analytics track may still be catching up.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_secs(5);
const LOOKUP_MAX: Duration = Duration::from_secs(10);

/// An alert with pending deliveries and its event, unless that is nowhere to be found.
pub(crate) struct Resumed {
    pub(crate) alert: Alert,
    pub(crate) event: Option<SecurityEvent>,
}

/// Whether some delivery of the alert is unfinished.
pub(crate) fn is_pending(alert: &Alert) -> bool {
    alert.deliveries.iter().any(|delivery| delivery.state == DeliveryState::Pending)
}

/// Looks for the events of the alerts, one after the other. The task ends with the returned set.
pub(crate) fn find_events(
    alerts: Vec<Alert>,
    store: Option<Arc<dyn EventStore>>,
) -> (JoinSet<()>, mpsc::Receiver<Resumed>) {
    let (sender, receiver) = mpsc::channel(1);
    let mut lookups = JoinSet::new();
    if !alerts.is_empty() {
        tracing::info!(alerts = alerts.len(), "taking up deliveries that an earlier process did not finish");
        lookups.spawn(async move {
            for alert in alerts {
                let event = match &store {
                    Some(store) => find(&**store, &alert).await,
                    None => None,
                };
                if sender.send(Resumed { alert, event }).await.is_err() {
                    return;
                }
            }
        });
    }
    (lookups, receiver)
}

async fn find(store: &dyn EventStore, alert: &Alert) -> Option<SecurityEvent> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if let Ok(Ok(Some(event))) = tokio::time::timeout(LOOKUP_MAX, store.get(alert.event_id)).await {
            return Some(event);
        }
    }
    None
}

/// The pending deliveries of an alert whose event is gone, failed.
pub(crate) fn without_event(alert: &Alert) -> Vec<Delivery> {
    let pending = alert.deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Pending);
    let failed = pending.map(|delivery| Delivery {
        state: DeliveryState::Failed,
        timestamp: Utc::now(),
        error: Some("not delivered before a restart, and the event cannot be looked up".into()),
        ..delivery.clone()
    });
    failed.collect()
}
