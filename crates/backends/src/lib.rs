//! Remote systems behind the seams, one file per plugin; and [`download`], for what setup fetches.
//!
//! Adding a channel: one file in `channels/` with its configuration, code, documentation and tests,
//! and one line in [`CHANNELS`].

mod channels;
pub mod download;
mod egress;
mod template;

use parapet_ports::Channel;
use parapet_ports::registry::Plugin;

/// Channels that deliver alerts.
pub static CHANNELS: &[Plugin<dyn Channel>] = &[channels::log::PLUGIN, channels::webhook::PLUGIN];

pub use template::PLACEHOLDERS;
