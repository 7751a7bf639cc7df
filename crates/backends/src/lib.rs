//! Remote systems behind the seams, one file per plugin; and [`download`], for what setup fetches.
//!
//! Adding a channel: one file in `channels/` with its configuration, code, documentation and tests,
//! and one line in [`CHANNELS`]; a stream likewise in `streams/` and [`STREAMS`].

mod channels;
pub mod download;
mod egress;
mod streams;
mod template;

use parapet_ports::registry::Plugin;
use parapet_ports::{Channel, EventStream};

/// Channels that deliver alerts.
pub static CHANNELS: &[Plugin<dyn Channel>] = &[channels::log::PLUGIN, channels::webhook::PLUGIN];

/// Streams of events.
pub static STREAMS: &[Plugin<dyn EventStream>] = &[streams::kafka::PLUGIN, streams::redis::PLUGIN];

pub use template::PLACEHOLDERS;
