//! Test support: what every implementation of a seam must pass.
//!
//! [`stream_suite`], [`store_suite`] and [`state_suite`] take a function that opens an implementation by name; the
//! same name opens the same stream or store again after every handle to it was dropped, which is how
//! restarts are tested. They panic on the first violation and say which guarantee it breaks. Samples
//! and the naive [`Model`] that answers are compared with are public, so that an implementation's own
//! tests can go further.

mod model;
mod sample;
mod state;
mod store;
mod stream;

pub use model::{Model, matches};
pub use sample::{Random, sample_event, sample_events, sample_filter, sample_start};
pub use state::state_suite;
pub use store::store_suite;
pub use stream::stream_suite;
