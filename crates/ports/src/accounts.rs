//! Who may use the console and the API.

use crate::{PortError, Secret};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What a principal may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Dashboards only.
    Viewer,
    /// Read and investigate, triage alerts.
    Analyst,
    /// Everything.
    Admin,
}

/// An authenticated person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// User name.
    pub username: String,
    /// Role.
    pub role: Role,
}

/// A new session.
#[derive(Debug)]
pub struct Session {
    /// The bearer of this token is the principal; only its hash is stored.
    pub token: Secret,
    /// Token that state-changing requests of this session must carry in `X-CSRF-Token`.
    pub csrf: String,
    /// When it ends.
    pub expires: DateTime<Utc>,
    /// Who.
    pub principal: Principal,
}

/// A session that was looked up by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// Who.
    pub principal: Principal,
    /// See [`Session::csrf`].
    pub csrf: String,
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// Why a login failed.
#[derive(Debug)]
pub enum LoginError {
    /// Unknown user or wrong password: never said which.
    Refused,
    /// Too many failures from this address or for this user.
    Throttled {
        /// Seconds until the next attempt is looked at.
        retry_after_seconds: u64,
    },
    /// The account database failed.
    Port(PortError),
}

/// Users and sessions.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Checks the password and opens a session. Takes the same time for known and unknown users.
    async fn login(&self, username: &str, password: &Secret, peer: IpAddr) -> Result<Session, LoginError>;

    /// The session of a token, if it is valid now. Counts as use: the idle time starts again.
    async fn session(&self, token: &Secret) -> Result<Option<ActiveSession>, PortError>;

    /// Whether the token's session is valid now, without counting as use: a screen that only
    /// watches does not keep a session alive.
    async fn is_active(&self, token: &Secret) -> Result<bool, PortError>;

    /// Ends a session. `peer` goes to the audit trail.
    async fn logout(&self, token: &Secret, peer: IpAddr) -> Result<(), PortError>;

    /// Sets a new password for the user of this session after checking the current one; ends all
    /// other sessions of the user. Throttled like a login.
    ///
    /// # Errors
    /// `Refused` for a wrong current password or a token without a session; `Port` of kind
    /// `Rejected` for a new password that breaks the password rules.
    async fn change_password(
        &self,
        token: &Secret,
        current: &Secret,
        new: &Secret,
        peer: IpAddr,
    ) -> Result<(), LoginError>;
}
