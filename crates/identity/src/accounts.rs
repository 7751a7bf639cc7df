//! Logins and sessions.

use crate::Identity;
use crate::audit::{AuditAction, NewEntry, append};
use crate::database::{corrupt, failed};
use crate::password::{LONGEST_BYTES, check_rules};
use crate::users::{canonical, parse_role};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parapet_ports::accounts::{ActiveSession, LoginError, Principal, Session};
use parapet_ports::{Accounts, PortError, Secret};
use sha2::{Digest, Sha256};
use sqlx::{Row, Sqlite, Transaction};
use std::net::IpAddr;

/// Sessions that one user can have at the same time; the oldest gives way.
const SESSIONS_PER_USER: i64 = 50;
/// A session's last use is written at most this often.
const TOUCH_SECONDS: i64 = 60;

/// A user as stored.
struct User {
    id: String,
    principal: Principal,
    password: String,
}

/// A session that is valid now.
struct Found {
    active: ActiveSession,
    user_id: String,
    last_used: i64,
}

/// What is stored of a token.
fn token_hash(token: &Secret) -> String {
    hex::encode(Sha256::digest(token.expose().as_bytes()))
}

/// 256 random bits.
fn random_token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[async_trait]
impl Accounts for Identity {
    async fn login(&self, username: &str, password: &Secret, peer: IpAddr) -> Result<Session, LoginError> {
        let now = self.now();
        let name = canonical(username);
        let charge = self.throttle.charge(peer, name.as_deref().unwrap_or(""), now)?;
        match self.try_login(name.as_deref(), password, peer, now).await {
            Ok(session) => {
                self.throttle.refund(charge);
                Ok(session)
            }
            // Only a wrong password counts against the budget.
            Err(LoginError::Refused) => Err(LoginError::Refused),
            Err(error) => {
                self.throttle.refund(charge);
                Err(error)
            }
        }
    }

    async fn session(&self, token: &Secret) -> Result<Option<ActiveSession>, PortError> {
        let Some(found) = self.find_session(token).await? else { return Ok(None) };
        let now = self.now().timestamp_micros();
        let touch_micros = (TOUCH_SECONDS * 1_000_000).min(self.lifetimes.idle.as_micros() as i64 / 10);
        if now - found.last_used >= touch_micros {
            self.touch(token, now).await?;
        }
        Ok(Some(found.active))
    }

    async fn is_active(&self, token: &Secret) -> Result<bool, PortError> {
        Ok(self.find_session(token).await?.is_some())
    }

    async fn logout(&self, token: &Secret, peer: IpAddr) -> Result<(), PortError> {
        let Some(found) = self.find_session(token).await? else { return Ok(()) };
        let mut transaction = self.database.write().await?;
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(token_hash(token))
            .execute(&mut *transaction)
            .await
            .map_err(failed("end a session"))?;
        let name = &found.active.principal.username;
        let entry = NewEntry { actor: name, action: AuditAction::Logout, subject: name, peer: Some(peer) };
        append(&mut transaction, self.now(), entry).await?;
        transaction.commit().await.map_err(failed("end a session"))
    }

    async fn change_password(
        &self,
        token: &Secret,
        current: &Secret,
        new: &Secret,
        peer: IpAddr,
    ) -> Result<(), LoginError> {
        let found = self.find_session(token).await.map_err(LoginError::Port)?.ok_or(LoginError::Refused)?;
        let name = found.active.principal.username.clone();
        check_rules(&name, Some(current), new).map_err(LoginError::Port)?;
        let charge = self.throttle.charge(peer, &name, self.now())?;
        match self.try_change(&found.user_id, &name, token, [current, new], peer).await {
            Err(LoginError::Refused) => Err(LoginError::Refused),
            done => {
                self.throttle.refund(charge);
                done
            }
        }
    }
}

impl Identity {
    async fn try_login(
        &self,
        name: Option<&str>,
        password: &Secret,
        peer: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<Session, LoginError> {
        if password.expose().len() > LONGEST_BYTES {
            return Err(LoginError::Refused);
        }
        let user = match name {
            Some(name) => self.find_user(name).await.map_err(LoginError::Port)?,
            None => None,
        };
        let stored = user.as_ref().map(|user| user.password.clone());
        let right = self.passwords.verify(password, stored).await?;
        match user {
            Some(user) if right => self.open_session(user, peer, now).await.map_err(LoginError::Port),
            user => {
                // A name that nobody has may be a password typed into the wrong field.
                let name = user.as_ref().map_or("", |user| user.principal.username.as_str());
                let entry = NewEntry { actor: name, action: AuditAction::LoginFailed, subject: name, peer: Some(peer) };
                if let Err(error) = self.append_alone(entry).await {
                    tracing::error!(%error, %peer, "a failed login is missing from the audit trail");
                }
                Err(LoginError::Refused)
            }
        }
    }

    async fn append_alone(&self, entry: NewEntry<'_>) -> Result<(), PortError> {
        let mut transaction = self.database.write().await?;
        append(&mut transaction, self.now(), entry).await?;
        transaction.commit().await.map_err(failed("add to the audit trail"))
    }

    async fn find_user(&self, name: &str) -> Result<Option<User>, PortError> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT id, role, password FROM users WHERE username = $1")
                .bind(name)
                .fetch_optional(self.database.reader())
                .await
                .map_err(failed("look up a user"))?;
        let Some((id, role, password)) = row else { return Ok(None) };
        let principal = Principal { username: name.to_owned(), role: parse_role(&role)? };
        Ok(Some(User { id, principal, password }))
    }

    async fn open_session(&self, user: User, peer: IpAddr, now: DateTime<Utc>) -> Result<Session, PortError> {
        let error = || failed("open a session");
        let token = Secret::new(random_token());
        let csrf = random_token();
        let lifetime = TimeDelta::seconds(self.lifetimes.absolute.as_secs().cast_signed());
        let expires = now + lifetime;
        let micros = now.timestamp_micros();
        let mut transaction = self.database.write().await?;
        self.purge(&mut transaction, &user.id, micros).await.map_err(error())?;
        sqlx::query(
            "INSERT INTO sessions (token_hash, user_id, csrf, peer, created_at, last_used_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
        )
        .bind(token_hash(&token))
        .bind(&user.id)
        .bind(&csrf)
        .bind(peer.to_string())
        .bind(micros)
        .bind(expires.timestamp_micros())
        .execute(&mut *transaction)
        .await
        .map_err(error())?;
        let name = &user.principal.username;
        let entry = NewEntry { actor: name, action: AuditAction::Login, subject: name, peer: Some(peer) };
        append(&mut transaction, now, entry).await?;
        transaction.commit().await.map_err(error())?;
        Ok(Session { token, csrf, expires, principal: user.principal })
    }

    /// Deletes what has expired, and the user's oldest sessions beyond the allowed number.
    async fn purge(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        user_id: &str,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1 OR last_used_at <= $2")
            .bind(now)
            .bind(now - self.idle_micros())
            .execute(&mut **transaction)
            .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND token_hash NOT IN (SELECT token_hash FROM sessions \
             WHERE user_id = $1 ORDER BY created_at DESC, token_hash LIMIT $2)",
        )
        .bind(user_id)
        .bind(SESSIONS_PER_USER - 1)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// The session of the token, if it is valid now.
    async fn find_session(&self, token: &Secret) -> Result<Option<Found>, PortError> {
        let error = || failed("look up a session");
        let now = self.now().timestamp_micros();
        let row = sqlx::query(
            "SELECT s.user_id, s.csrf, s.last_used_at, s.expires_at, u.username, u.role \
             FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_used_at > $3",
        )
        .bind(token_hash(token))
        .bind(now)
        .bind(now - self.idle_micros())
        .fetch_optional(self.database.reader())
        .await
        .map_err(error())?;
        let Some(row) = row else { return Ok(None) };
        let expires: i64 = row.try_get("expires_at").map_err(error())?;
        let role: String = row.try_get("role").map_err(error())?;
        let principal = Principal { username: row.try_get("username").map_err(error())?, role: parse_role(&role)? };
        let expires = DateTime::from_timestamp_micros(expires).ok_or_else(|| corrupt("a session that never ends"))?;
        let active = ActiveSession { principal, csrf: row.try_get("csrf").map_err(error())?, expires };
        Ok(Some(Found {
            active,
            user_id: row.try_get("user_id").map_err(error())?,
            last_used: row.try_get("last_used_at").map_err(error())?,
        }))
    }

    async fn touch(&self, token: &Secret, now: i64) -> Result<(), PortError> {
        let mut transaction = self.database.write().await?;
        sqlx::query("UPDATE sessions SET last_used_at = $1 WHERE token_hash = $2 AND last_used_at < $1")
            .bind(now)
            .bind(token_hash(token))
            .execute(&mut *transaction)
            .await
            .map_err(failed("note the use of a session"))?;
        transaction.commit().await.map_err(failed("note the use of a session"))
    }

    async fn try_change(
        &self,
        user_id: &str,
        name: &str,
        token: &Secret,
        [current, new]: [&Secret; 2],
        peer: IpAddr,
    ) -> Result<(), LoginError> {
        let user = self.find_user(name).await.map_err(LoginError::Port)?.ok_or(LoginError::Refused)?;
        if !self.passwords.verify(current, Some(user.password)).await? {
            let action = AuditAction::PasswordChangeFailed;
            let entry = NewEntry { actor: name, action, subject: name, peer: Some(peer) };
            self.append_alone(entry).await.map_err(LoginError::Port)?;
            return Err(LoginError::Refused);
        }
        let hash = self.passwords.hash(new).await?;
        self.store_password(user_id, name, token, &hash, peer).await.map_err(LoginError::Port)
    }

    async fn store_password(
        &self,
        user_id: &str,
        name: &str,
        token: &Secret,
        hash: &str,
        peer: IpAddr,
    ) -> Result<(), PortError> {
        let error = || failed("store a password");
        let now = self.now();
        let mut transaction = self.database.write().await?;
        sqlx::query("UPDATE users SET password = $1, password_changed_at = $2 WHERE id = $3")
            .bind(hash)
            .bind(now.timestamp_micros())
            .bind(user_id)
            .execute(&mut *transaction)
            .await
            .map_err(error())?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND token_hash <> $2")
            .bind(user_id)
            .bind(token_hash(token))
            .execute(&mut *transaction)
            .await
            .map_err(error())?;
        let entry = NewEntry { actor: name, action: AuditAction::PasswordChanged, subject: name, peer: Some(peer) };
        append(&mut transaction, now, entry).await?;
        transaction.commit().await.map_err(error())
    }

    fn idle_micros(&self) -> i64 {
        self.lifetimes.idle.as_micros() as i64
    }
}

#[cfg(test)]
mod tests;
