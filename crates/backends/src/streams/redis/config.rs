//! Configuration of a Redis stream.

use crate::streams::wire::Encoding;
use parapet_ports::{ErrorKind, PortError};
use serde::Deserialize;

/// What an append does at `max_events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenFull {
    /// It fails with `Full`; nothing that was accepted is given up.
    #[default]
    Reject,
    /// The oldest entries go, and each group that had not acknowledged them counts them as dropped.
    DropOldest,
}

impl WhenFull {
    /// Its name for the script.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            WhenFull::Reject => "reject",
            WhenFull::DropOldest => "drop-oldest",
        }
    }
}

/// The table, without the servers; see the top of the module for what each field means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) stream: Option<String>,
    pub(crate) encoding: Encoding,
    pub(crate) max_events: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) retain_events: u64,
    pub(crate) wait_replicas: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            stream: None,
            encoding: Encoding::Json,
            max_events: 1_000_000,
            when_full: WhenFull::Reject,
            retain_events: 10_000,
            wait_replicas: 0,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub(crate) fn validate(&self, name: &str) -> Result<(), PortError> {
        let problem = if self.stream.as_ref().is_some_and(String::is_empty) {
            "stream: is empty"
        } else if self.max_events < 1000 {
            "max_events must be at least 1000"
        } else if self.retain_events > self.max_events {
            "retain_events must not be larger than max_events"
        } else {
            return Ok(());
        };
        Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}")))
    }
}
