//! The seams between rooms.
//!
//! Rooms never import each other; they meet at the traits of this crate and are wired together by
//! the binary. One file per seam: the trait, the data that crosses it and what every implementation
//! must guarantee. [`registry`] is how a plugin becomes known; [`layers`], [`awaited`], [`egress`] and [`tls`] are what is applied once
//! instead of in each.

pub mod accounts;
pub mod alerts;
pub mod awaited;
pub mod channel;
pub mod egress;
pub mod error;
pub mod layers;
pub mod ledger;
pub mod live;
pub mod node;
pub mod registry;
pub mod secret;
pub mod shared;
pub mod sink;
pub mod source;
pub mod state;
pub mod store;
pub mod stream;
pub mod suites;
pub mod tls;
pub mod traffic;

pub use accounts::Accounts;
pub use alerts::AlertStore;
pub use channel::Channel;
pub use error::{ErrorKind, PortError};
pub use ledger::Ledger;
pub use live::LiveFeed;
pub use secret::Secret;
pub use shared::SharedEvent;
pub use sink::EventSink;
pub use source::{EventSource, RecordSession, RecordSink};
pub use state::State;
pub use store::EventStore;
pub use stream::{Entry, EntryId, EventStream, StreamConsumer};
pub use traffic::TrafficSource;
