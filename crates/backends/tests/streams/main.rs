//! Streams against real servers.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod faults;
mod kafka;
mod redis;
mod support;
