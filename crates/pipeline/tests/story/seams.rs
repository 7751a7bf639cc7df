//! Stores and channels in memory that fail as told, and a stream that can be switched off.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_event::{AggregateQuery, Alert, AlertState, Bucket, EventPage, EventQuery, SecurityEvent};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::stream::Lag;
use parapet_ports::{AlertStore, Channel, ErrorKind, EventStore, EventStream, PortError, SharedEvent, StreamConsumer};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use ulid::Ulid;

/// An error that asks to be tried again soon, so that tests are quick.
pub(crate) fn away() -> PortError {
    PortError::new(ErrorKind::Unavailable, "switched off by the test").with_retry_after(Duration::from_millis(5))
}

/// Keeps events in the order in which they were written.
#[derive(Default)]
pub(crate) struct MemoryStore {
    events: Mutex<Vec<SecurityEvent>>,
    /// Writes that still fail.
    pub(crate) failures: AtomicU32,
    /// Events that are refused for good.
    pub(crate) poison: Mutex<HashSet<Ulid>>,
    /// Writes hang while this is set.
    pub(crate) stuck: AtomicBool,
    /// Milliseconds that each write takes.
    pub(crate) pause_ms: AtomicU64,
    pub(crate) panics: AtomicU32,
}

impl MemoryStore {
    pub(crate) fn events(&self) -> Vec<SecurityEvent> {
        self.events.lock().unwrap().clone()
    }
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl EventStore for MemoryStore {
    fn name(&self) -> &str {
        "memory"
    }

    async fn write(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        while self.stuck.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(self.pause_ms.load(Ordering::SeqCst))).await;
        assert!(!take_one(&self.panics), "told to panic");
        if take_one(&self.failures) {
            return Err(away());
        }
        if events.iter().any(|event| self.poison.lock().unwrap().contains(&event.id)) {
            return Err(PortError::new(ErrorKind::Rejected, "cannot take this event"));
        }
        let mut known = self.events.lock().unwrap();
        for event in events {
            if known.iter().all(|old| old.id != event.id) {
                known.push((**event).clone());
            }
        }
        Ok(())
    }

    async fn query(&self, _: &EventQuery) -> Result<EventPage, PortError> {
        Err(PortError::new(ErrorKind::Unsupported, "not needed here"))
    }

    async fn get(&self, id: Ulid) -> Result<Option<SecurityEvent>, PortError> {
        Ok(self.events.lock().unwrap().iter().find(|event| event.id == id).cloned())
    }

    async fn aggregate(&self, _: &AggregateQuery) -> Result<Vec<Bucket>, PortError> {
        Err(PortError::new(ErrorKind::Unsupported, "not needed here"))
    }

    async fn retain(&self, _: DateTime<Utc>) -> Result<u64, PortError> {
        Ok(0)
    }
}

/// Keeps alerts.
#[derive(Default)]
pub(crate) struct MemoryAlerts {
    alerts: Mutex<BTreeMap<Ulid, Alert>>,
    /// Calls that still fail.
    pub(crate) failures: AtomicU32,
}

impl MemoryAlerts {
    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Alert> {
        self.alerts.lock().unwrap().values().cloned().collect()
    }
}

#[async_trait]
impl AlertStore for MemoryAlerts {
    async fn put(&self, alert: &Alert) -> Result<(), PortError> {
        if take_one(&self.failures) {
            return Err(away());
        }
        let mut alerts = self.alerts.lock().unwrap();
        let state = alerts.get(&alert.id).map_or(alert.state, |known| known.state);
        alerts.insert(alert.id, Alert { state, ..alert.clone() });
        Ok(())
    }

    async fn get(&self, id: Ulid) -> Result<Option<Alert>, PortError> {
        if take_one(&self.failures) {
            return Err(away());
        }
        Ok(self.alerts.lock().unwrap().get(&id).cloned())
    }

    async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, PortError> {
        let alerts = self.alerts.lock().unwrap();
        let older = alerts.values().rev().filter(|alert| query.before.is_none_or(|before| alert.id < before));
        let since = older.filter(|alert| query.start_time.is_none_or(|start| alert.timestamp >= start));
        Ok(since.take(query.limit).cloned().collect())
    }

    async fn set_state(&self, id: Ulid, state: AlertState, _: &str, _: IpAddr) -> Result<bool, PortError> {
        Ok(self.alerts.lock().unwrap().get_mut(&id).map(|alert| alert.state = state).is_some())
    }
}

/// What a channel does with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Works,
    Refuses,
    Away,
    Hangs,
    Panics,
}

/// Remembers what was delivered.
pub(crate) struct MemoryChannel {
    name: String,
    mood: Mutex<Mood>,
    delivered: Mutex<Vec<(Ulid, Ulid)>>,
}

impl MemoryChannel {
    pub(crate) fn new(name: &str, mood: Mood) -> Arc<Self> {
        Arc::new(MemoryChannel { name: name.into(), mood: Mutex::new(mood), delivered: Mutex::default() })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Alerts with their events.
    pub(crate) fn delivered(&self) -> Vec<(Ulid, Ulid)> {
        self.delivered.lock().unwrap().clone()
    }
}

#[async_trait]
impl Channel for MemoryChannel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, alert: &Alert, event: &SecurityEvent) -> Result<(), PortError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Works => {
                self.delivered.lock().unwrap().push((alert.id, event.id));
                Ok(())
            }
            Mood::Refuses => Err(PortError::new(ErrorKind::Rejected, "404 Not Found")),
            Mood::Away => Err(away()),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("told to panic"),
        }
    }
}

/// A stream that can be switched off.
pub(crate) struct Switched {
    pub(crate) inner: Arc<dyn EventStream>,
    pub(crate) off: AtomicBool,
    /// Wakes nothing by itself; lets tests wait for the first refused append.
    pub(crate) refused: Notify,
}

impl Switched {
    pub(crate) fn new(inner: Arc<dyn EventStream>, off: bool) -> Arc<Self> {
        Arc::new(Switched { inner, off: AtomicBool::new(off), refused: Notify::new() })
    }
}

#[async_trait]
impl EventStream for Switched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        if self.off.load(Ordering::SeqCst) {
            self.refused.notify_one();
            return Err(away());
        }
        self.inner.append(events).await
    }

    async fn consumer(&self, group: &str, consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError> {
        self.inner.consumer(group, consumer).await
    }

    async fn lag(&self, group: &str) -> Result<Lag, PortError> {
        self.inner.lag(group).await
    }

    async fn readers(&self, group: &str) -> Result<usize, PortError> {
        self.inner.readers(group).await
    }
}
