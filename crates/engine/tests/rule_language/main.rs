//! The rule language, one behaviour per test: what libmodsecurity and the Core Rule Set rely on.

#![allow(clippy::unwrap_used, reason = "a test")]

mod bodies;
mod harness;
mod inventory;
mod lookups;
mod maxmind;
mod rules;
mod sanitise;
mod transactions;
