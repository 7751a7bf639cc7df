//! Events as stages hand them to each other.

use parapet_event::{SecurityEvent, json};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// An event that several hold at once, and its JSON as soon as one of them needed it: a stream and a store
/// in one process encode it once.
#[derive(Debug, Clone)]
pub struct SharedEvent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: SecurityEvent,
    json: OnceLock<String>,
}

impl SharedEvent {
    /// Shares an event.
    pub fn new(event: SecurityEvent) -> SharedEvent {
        SharedEvent(Arc::new(Inner { event, json: OnceLock::new() }))
    }

    /// Reads an event, and keeps the JSON that it was read from. Only for JSON that this software wrote:
    /// whoever asks for the event's JSON later gets it as it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_own_json(json: &[u8]) -> Result<SharedEvent, serde_json::Error> {
        let json = std::str::from_utf8(json).map_err(serde::de::Error::custom)?;
        // Another release wrote other fields.
        let event = json::read(json).map_or_else(|| serde_json::from_str(json), Ok)?;
        Ok(SharedEvent(Arc::new(Inner { event, json: OnceLock::from(json.to_owned()) })))
    }

    /// The event as JSON.
    pub fn json(&self) -> &str {
        self.0.json.get_or_init(|| json::write(&self.0.event))
    }

    /// The event, to change it. Others that hold it keep it as it was.
    pub fn make_mut(&mut self) -> &mut SecurityEvent {
        let inner = Arc::make_mut(&mut self.0);
        inner.json = OnceLock::new();
        &mut inner.event
    }
}

impl Clone for Inner {
    /// A copy is made to be changed, so it begins without JSON.
    fn clone(&self) -> Self {
        Inner { event: self.event.clone(), json: OnceLock::new() }
    }
}

impl Deref for SharedEvent {
    type Target = SecurityEvent;

    fn deref(&self) -> &SecurityEvent {
        &self.0.event
    }
}

impl PartialEq for SharedEvent {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Serialize for SharedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.event.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecurityEvent::deserialize(deserializer).map(SharedEvent::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::sample_event;

    #[test]
    fn an_event_is_encoded_once_and_again_after_a_change() {
        let mut event = SharedEvent::new(sample_event(1));
        let other = event.clone();
        let json = other.json().to_owned();
        assert_eq!(json, serde_json::to_string(&*event).unwrap());
        assert!(std::ptr::eq(event.json(), other.json()), "shared");
        event.make_mut().site = "other".into();
        assert_eq!(event.json(), serde_json::to_string(&*event).unwrap());
        assert_eq!(other.json(), json, "others keep it as it was");
    }

    #[test]
    fn what_an_event_was_read_from_is_its_json() {
        let json = SharedEvent::new(sample_event(2)).json().replace("{\"schema\"", "{ \"schema\"");
        let event = SharedEvent::from_own_json(json.as_bytes()).unwrap();
        assert_eq!((event.json(), &*event), (json.as_str(), &sample_event(2)));
        assert!(SharedEvent::from_own_json(b"{").is_err());
        assert!(SharedEvent::from_own_json(b"\xff").is_err());
    }
}
