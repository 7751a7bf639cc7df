//! The pipeline as a whole, on real journals: order, no loss, no blocking, and an account that adds up.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking and say what they skip"
)]

mod alerting;
mod faults;
mod restart;
mod roles;
mod scene;
mod seams;
mod sources;
mod spool;
mod story;
mod tracks;
