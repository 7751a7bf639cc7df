//! Built-in defaults: what lets Parapet run on one machine with nothing else installed.
//!
//! - [`journal`]: durable streams with consumer groups in segment files (`EventStream`).
//!
//! This is the only room that knows DataFusion, Arrow and Parquet.

mod clock;
mod directory;
mod frame;
pub mod journal;

use parapet_ports::EventStream;
use parapet_ports::registry::Plugin;

/// Streams of this room.
pub static STREAMS: &[Plugin<dyn EventStream>] = &[journal::PLUGIN];
