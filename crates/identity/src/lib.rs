//! Users, sessions, audit trail and the control database.
//!
//! One [`Identity`] stands over one database file and implements two seams: `Accounts` (file
//! `accounts`: who may come in) and `AlertStore` (file `alerts`: what was raised, and its triage).
//! Every login, logout, password change and triage is written to the hash-chained audit trail
//! (`audit`) in the same transaction as the change itself.
//!
//! A login runs through `throttle` (too many failures?), `password` (argon2id off the async threads,
//! few at a time) and `accounts` (the session).

mod accounts;
mod alerts;
mod audit;
mod config;
mod database;
mod password;
mod throttle;
mod users;

pub use audit::{AuditAction, AuditBreak, AuditEntry};
pub use config::Config;
pub use database::OpenError;
pub use users::{CreateUserError, GeneratedCredential};

use chrono::{DateTime, Utc};
use database::Database;
use password::Passwords;
use std::fmt;
use std::sync::Arc;
use throttle::Throttle;

/// Tells the time.
type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Users, sessions, alerts and the audit trail over one control database.
pub struct Identity {
    database: Database,
    passwords: Passwords,
    throttle: Throttle,
    lifetimes: config::Lifetimes,
    clock: Clock,
}

impl Identity {
    /// Opens the control database, creating it if it is missing, and brings it up to date.
    ///
    /// # Errors
    /// What is wrong with the settings, the file or its directory, and what to do.
    pub async fn open(config: &Config) -> Result<Identity, OpenError> {
        Identity::open_with_clock(config, Arc::new(Utc::now)).await
    }

    async fn open_with_clock(config: &Config, clock: Clock) -> Result<Identity, OpenError> {
        config.validate()?;
        let lifetimes = config.lifetimes()?;
        Ok(Identity {
            database: Database::open(&config.path).await?,
            passwords: Passwords::new(config.logins_at_once)?,
            throttle: Throttle::new(),
            lifetimes,
            clock,
        })
    }

    /// Whether the database answers, for readiness.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check(&self) -> Result<(), parapet_ports::PortError> {
        self.database.check().await
    }

    /// Closes the database; what was written is in the file when this returns.
    pub async fn close(&self) {
        self.database.close().await;
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("database", &self.database).finish_non_exhaustive()
    }
}
