//! The console over real sockets, with small in-memory seams behind it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod alerts;
mod bench;
mod client;
mod events;
mod live;
mod openapi;
mod overview;
mod probes;
mod protection;
mod seams;
mod server;
mod session;
