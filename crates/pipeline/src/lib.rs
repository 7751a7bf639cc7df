//! Router, tracks, processors, alerting: what happens to an event after the gateway.
//!
//! The story, one file per verb, top to bottom:
//!
//! 1. [`spool`] takes events from the request path and makes them durable; [`sources`] reads those
//!    of other WAFs
//! 2. [`router`] validates ([`validate`]), scores ([`severity`]) and classifies ([`classify`],
//!    [`scanner`]) each event and puts it on its tracks
//! 3. [`realtime`] raises alerts and hands them to the channels ([`delivery`])
//! 4. [`analytics`] writes every event to the store
//! 5. [`ledger`] accounts for every event at every hop, [`sequence`] finds what is missing, [`loss`] makes
//!    alerts of it, [`dead_letter`] keeps what cannot be processed, [`health`] says what is wrong right now
//!
//! [`Pipeline::start`] wires the stages to streams, stores and channels, all of which are known here
//! only as the traits of `parapet-ports`. Stages share nothing but the ledger: each runs in a task of
//! its own and meets the next one at a durable stream, so one that is stuck delays no other.

mod alert;
pub mod analytics;
mod chain;
mod claims;
pub mod classification;
pub mod classify;
mod classify_script;
mod config;
pub mod dead_letter;
pub mod delivery;
pub mod health;
pub mod ledger;
mod loss;
mod losses;
mod monitor;
mod parts;
mod pipeline;
pub mod realtime;
mod resume;
pub mod router;
pub mod scanner;
mod seat;
mod sequence;
pub mod severity;
pub mod sources;
pub mod spool;
mod stage;
pub mod validate;

#[cfg(test)]
mod example;

pub use config::Config;
pub use parts::{AnalyticsParts, IntakeParts, Parts, RealTimeParts, RouterParts};
pub use pipeline::{Pipeline, Running};
