//! The only place of this room that asks what time it is.

use chrono::{DateTime, Utc};
use std::time::Instant;
use ulid::Ulid;

/// Time of day, for file names, ages and retention.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A point on the monotonic clock, for intervals.
pub(crate) fn ticks() -> Instant {
    Instant::now()
}

/// A new identifier that sorts by time of creation.
pub(crate) fn new_id() -> Ulid {
    Ulid::generate()
}
