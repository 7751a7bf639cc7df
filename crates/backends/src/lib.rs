//! Remote systems behind the seams, one file per plugin; and [`download`], for what setup fetches.
//!
//! Adding a channel: one file in `channels/` with its configuration, code, documentation and tests,
//! and one line in [`CHANNELS`]; a stream likewise in `streams/` and [`STREAMS`], a source in
//! `sources/` and [`SOURCES`].

mod channels;
pub mod download;
mod egress;
mod kafka;
pub mod peers;
mod redis;
mod sources;
mod states;
mod streams;
mod template;
mod tls;

use parapet_ports::registry::Plugin;
use parapet_ports::{Channel, EventSource, EventStream, State};

/// Channels that deliver alerts.
pub static CHANNELS: &[Plugin<dyn Channel>] = &[channels::log::PLUGIN, channels::webhook::PLUGIN];

/// Sources of records.
pub static SOURCES: &[Plugin<dyn EventSource>] = &[sources::kafka::PLUGIN];

/// Streams of events.
pub static STREAMS: &[Plugin<dyn EventStream>] = &[streams::kafka::PLUGIN, streams::redis::PLUGIN];

/// States that instances share.
pub static STATES: &[Plugin<dyn State>] = &[states::redis::PLUGIN];

pub use template::PLACEHOLDERS;
