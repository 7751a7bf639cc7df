//! Settings of accounts and the control database.

use crate::OpenError;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of accounts and the control database.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Database file, from the data directory; created with its directory if missing, readable by its owner only.
    pub path: PathBuf,
    /// Seconds without use after which a session ends.
    pub session_idle_seconds: u64,
    /// Seconds after the login at which a session ends in any case.
    pub session_absolute_seconds: u64,
    /// Passwords checked at the same time. Each takes 19 MiB and some 20 ms of one core.
    pub logins_at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            path: PathBuf::from("control.db"),
            session_idle_seconds: 2 * 3600,
            session_absolute_seconds: 12 * 3600,
            logins_at_once: 2,
        }
    }
}

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
}

/// A month: longer than any session should live.
const LONGEST_SECONDS: u64 = 31 * 24 * 3600;

impl Config {
    /// Checks the settings without any I/O.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), OpenError> {
        if !(1..=64).contains(&self.logins_at_once) {
            return Err(out_of_range("logins_at_once", self.logins_at_once as u64, "1 to 64"));
        }
        self.lifetimes().map(|_| ())
    }

    pub(crate) fn lifetimes(&self) -> Result<Lifetimes, OpenError> {
        for (setting, seconds) in [
            ("session_idle_seconds", self.session_idle_seconds),
            ("session_absolute_seconds", self.session_absolute_seconds),
        ] {
            if !(60..=LONGEST_SECONDS).contains(&seconds) {
                return Err(out_of_range(setting, seconds, "60 to 2678400 (31 days)"));
            }
        }
        Ok(Lifetimes {
            idle: Duration::from_secs(self.session_idle_seconds),
            absolute: Duration::from_secs(self.session_absolute_seconds),
        })
    }
}

fn out_of_range(setting: &'static str, value: u64, range: &str) -> OpenError {
    OpenError::Setting { setting, problem: format!("{value} is out of range, write a number from {range}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        Config::default().validate().unwrap();
        for (config, setting) in [
            (Config { logins_at_once: 0, ..Config::default() }, "identity.logins_at_once"),
            (Config { session_idle_seconds: 1, ..Config::default() }, "identity.session_idle_seconds"),
            (Config { session_absolute_seconds: u64::MAX, ..Config::default() }, "identity.session_absolute_seconds"),
        ] {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.starts_with(setting) && message.contains("write a number from"), "{message}");
        }
    }
}
