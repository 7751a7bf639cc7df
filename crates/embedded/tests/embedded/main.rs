//! Everything that runs against a whole journal or lakehouse, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking and say what they skip"
)]

mod journal;
mod killed;
mod lakehouse;
