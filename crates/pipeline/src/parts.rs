//! What a pipeline is made of in one process: the stages of its roles, and what each of them works on.
//!
//! A process that does everything has all four; where the roles are split over machines, each
//! process has some of them and meets the others only at the streams.

use crate::sources::intake::Feed;
use parapet_ports::{AlertStore, Channel, EventStore, EventStream, LiveFeed, State};
use std::path::PathBuf;
use std::sync::Arc;

/// What this process runs, and on what.
pub struct Parts {
    /// Takes events in, of the gateway and of other WAFs.
    pub intake: Option<IntakeParts>,
    /// Puts every event on its tracks.
    pub router: Option<RouterParts>,
    /// Processes the real-time track.
    pub realtime: Option<RealTimeParts>,
    /// Processes the analytics track.
    pub analytics: Option<AnalyticsParts>,
    /// What consoles watch.
    pub live: LiveFeed,
    /// Directory of the dead letter files.
    pub directory: PathBuf,
}

/// Where events come from, and where they become durable first.
pub struct IntakeParts {
    /// Where they become durable.
    pub spool: Arc<dyn EventStream>,
    /// Logs of other WAFs.
    pub sources: Vec<Feed>,
}

/// What the router works on.
#[derive(Clone)]
pub struct RouterParts {
    /// Where events come from.
    pub spool: Arc<dyn EventStream>,
    /// Stream of the real-time track.
    pub realtime: Arc<dyn EventStream>,
    /// Stream of the analytics track.
    pub analytics: Arc<dyn EventStream>,
}

/// What the real-time track works on.
#[derive(Clone)]
pub struct RealTimeParts {
    /// Its stream.
    pub stream: Arc<dyn EventStream>,
    /// Where alerts are kept.
    pub alerts: Arc<dyn AlertStore>,
    /// Where alerts are delivered.
    pub channels: Vec<Arc<dyn Channel>>,
    /// What the processes share that read the stream, if there can be several.
    pub state: Option<Arc<dyn State>>,
    /// To find the event of an alert whose delivery an earlier process did not finish. Without it
    /// such deliveries are recorded as failed.
    pub events: Option<Arc<dyn EventStore>>,
}

/// What the analytics track works on.
#[derive(Clone)]
pub struct AnalyticsParts {
    /// Its stream.
    pub stream: Arc<dyn EventStream>,
    /// History of events.
    pub store: Arc<dyn EventStore>,
    /// Stream of the real-time track, to report losses to, if this process can reach it.
    pub reports: Option<Arc<dyn EventStream>>,
}
