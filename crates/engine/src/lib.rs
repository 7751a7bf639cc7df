//! Compiled SecLang policies and transactions: bytes in, verdict out.
//!
//! A policy is compiled once from a SecLang configuration and shared; a transaction runs
//! one request and its response through the five phases of that policy. The engine has no clock, no
//! network and no global state.

mod body;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
mod hostile;
mod operators;
mod transformations;
#[cfg(test)]
mod vectors;
