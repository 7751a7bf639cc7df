//! Built-in defaults: what lets Parapet run on one machine with nothing else installed.
//!
//! - [`journal`]: durable streams with consumer groups in segment files (`EventStream`).
//! - [`lakehouse`]: history of events in Parquet files, queried with DataFusion (`EventStore`).
//! - [`memory`]: shared state in this process, bounded, lost at its end (`State`).
//!
//! This is the only room that knows DataFusion, Arrow and Parquet.

mod clock;
mod damage;
mod directory;
mod frame;
pub mod journal;
pub mod lakehouse;
pub mod memory;

pub use damage::Damage;

use parapet_ports::registry::Plugin;
use parapet_ports::{EventStore, EventStream, State};

/// Streams of this room.
pub static STREAMS: &[Plugin<dyn EventStream>] = &[journal::PLUGIN];

/// Stores of this room.
pub static STORES: &[Plugin<dyn EventStore>] = &[lakehouse::PLUGIN];

/// States of this room.
pub static STATES: &[Plugin<dyn State>] = &[memory::PLUGIN];
