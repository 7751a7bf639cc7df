//! Channels that deliver alerts to people and systems.

pub(crate) mod log;
pub(crate) mod webhook;

#[cfg(test)]
pub(crate) mod example;
