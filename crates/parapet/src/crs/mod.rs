//! The OWASP Core Rule Set: obtaining it, checking it, testing the engine with it.

pub mod gateway_under_test;
pub mod install;
mod layout;
pub mod manifest;
mod sources;
