//! Logs of other WAFs, followed in files or received over the network.
//!
//! Each kind of source is one plugin: it hands lines to a session of the pipeline and keeps its place
//! by the answer. Formats are the pipeline's matter.

mod file;
mod http;
#[cfg(test)]
mod kept;
mod listener;
#[cfg(test)]
mod network_tests;
mod syslog;

use parapet_ports::EventSource;
use parapet_ports::registry::Plugin;

/// Sources of this room.
pub static SOURCES: &[Plugin<dyn EventSource>] = &[file::PLUGIN, http::PLUGIN, syslog::PLUGIN];

pub use file::open_log;
