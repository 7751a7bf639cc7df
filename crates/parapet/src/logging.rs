//! Parapet's own log.

use crate::config::load::ConfigError;
use serde::Deserialize;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The `[log]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace`, or per room such as `warn,parapet_gateway=debug`.
    pub level: String,
    /// `text` for people, `json` for machines.
    pub format: Format,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line of text.
    Text,
    /// One JSON object.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Config { level: "warn,parapet=info".to_owned(), format: Format::Text }
    }
}

/// Starts logging to standard error, in colour only on a terminal.
///
/// # Errors
/// If the level cannot be understood.
pub fn start(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| ConfigError {
        place: "log.level".to_owned(),
        message: format!("\"{}\": {error}", config.level),
        hint: None,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start in one process (tests) keeps the first logger.
    let _ = match config.format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().try_init(),
    };
    Ok(())
}
