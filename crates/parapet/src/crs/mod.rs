//! The OWASP Core Rule Set: obtaining it, checking it, testing the engine with it.

pub mod install;
mod layout;
pub mod manifest;
mod sources;
