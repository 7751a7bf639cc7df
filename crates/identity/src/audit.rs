//! The audit trail: who did what, when and from where.
//!
//! Each entry carries a SHA-256 over the hash of the entry before and its own fields, so an entry
//! that is changed, removed or slipped in breaks the chain from there on. Cutting entries off the
//! end shows only against a hash that was kept elsewhere; [`Identity::verify_audit_trail`] returns
//! the last one for that purpose.

use crate::Identity;
use crate::database::{corrupt, failed};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use parapet_ports::PortError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::net::IpAddr;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditAction {
    /// A session was opened.
    Login,
    /// A login was refused.
    LoginFailed,
    /// A session was ended by its user.
    Logout,
    /// A user set a new password.
    PasswordChanged,
    /// A password change was refused because the current password was wrong.
    PasswordChangeFailed,
    /// A new password was generated on the machine itself.
    PasswordReset,
    /// A user was created.
    UserCreated,
    /// An alert was triaged.
    AlertStateChanged,
}

impl AuditAction {
    const ALL: [AuditAction; 8] = [
        AuditAction::Login,
        AuditAction::LoginFailed,
        AuditAction::Logout,
        AuditAction::PasswordChanged,
        AuditAction::PasswordChangeFailed,
        AuditAction::PasswordReset,
        AuditAction::UserCreated,
        AuditAction::AlertStateChanged,
    ];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditAction::Login => "login",
            AuditAction::LoginFailed => "login-failed",
            AuditAction::Logout => "logout",
            AuditAction::PasswordChanged => "password-changed",
            AuditAction::PasswordChangeFailed => "password-change-failed",
            AuditAction::PasswordReset => "password-reset",
            AuditAction::UserCreated => "user-created",
            AuditAction::AlertStateChanged => "alert-state-changed",
        }
    }
}

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Number, from 1 without gaps.
    pub sequence: i64,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// User name; `system` for actions on the machine itself; empty where nobody known acted.
    pub actor: String,
    /// What was done.
    pub action: AuditAction,
    /// What it was done to.
    pub subject: String,
    /// From where; absent for actions on the machine itself.
    pub peer: Option<IpAddr>,
    /// SHA-256 over the hash before and this entry, hex.
    pub hash: String,
}

/// Why the audit trail cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum AuditBreak {
    /// The chain does not hold.
    #[error("the audit trail was tampered with: the chain breaks at entry {0}")]
    Broken(i64),
    /// The trail cannot be read.
    #[error(transparent)]
    Unreadable(#[from] PortError),
}

/// An entry before it has its place in the chain.
pub(crate) struct NewEntry<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: AuditAction,
    pub(crate) subject: &'a str,
    pub(crate) peer: Option<IpAddr>,
}

/// What links an entry to the one before. Every text is preceded by its length, so that no two
/// entries read the same.
fn link(previous: &str, sequence: i64, at: i64, texts: [&str; 4]) -> String {
    let mut hash = Sha256::new();
    hash.update(previous.as_bytes());
    hash.update(sequence.to_be_bytes());
    hash.update(at.to_be_bytes());
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Adds an entry within the transaction of the change that it tells.
pub(crate) async fn append(
    transaction: &mut Transaction<'_, Sqlite>,
    now: DateTime<Utc>,
    entry: NewEntry<'_>,
) -> Result<(), PortError> {
    let error = || failed("add to the audit trail");
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT sequence, hash FROM audit_trail ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(&mut **transaction)
            .await
            .map_err(error())?;
    let (sequence, previous) = last.map_or((1, String::new()), |(sequence, hash)| (sequence + 1, hash));
    let at = now.timestamp_micros();
    let peer = entry.peer.map(|peer| peer.to_string()).unwrap_or_default();
    let action = entry.action.as_str();
    sqlx::query(
        "INSERT INTO audit_trail (sequence, at, actor, action, subject, peer, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(sequence)
    .bind(at)
    .bind(entry.actor)
    .bind(action)
    .bind(entry.subject)
    .bind(&peer)
    .bind(link(&previous, sequence, at, [entry.actor, action, entry.subject, &peer]))
    .execute(&mut **transaction)
    .await
    .map_err(error())?;
    tracing::info!(actor = entry.actor, action, subject = entry.subject, peer, "audit");
    Ok(())
}

impl Identity {
    /// Entries of the audit trail, newest first: at most `limit`, only those with a number below
    /// `before` where it is given.
    ///
    /// # Errors
    /// The database failed, or an entry does not mean anything.
    pub async fn audit_trail(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, PortError> {
        let rows = sqlx::query("SELECT * FROM audit_trail WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2")
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(self.database.reader())
            .await
            .map_err(failed("read the audit trail"))?;
        rows.iter().map(entry).collect()
    }

    /// Checks the whole chain; returns the number of entries and the last hash.
    ///
    /// # Errors
    /// The first entry at which the chain breaks, or why the trail cannot be read.
    pub async fn verify_audit_trail(&self) -> Result<(i64, String), AuditBreak> {
        let mut rows = sqlx::query("SELECT * FROM audit_trail ORDER BY sequence").fetch(self.database.reader());
        let (mut count, mut last) = (0, String::new());
        while let Some(row) = rows.try_next().await.map_err(failed("read the audit trail"))? {
            count += 1;
            let read = || -> Result<(i64, i64, [String; 4], String), sqlx::Error> {
                let texts =
                    [row.try_get("actor")?, row.try_get("action")?, row.try_get("subject")?, row.try_get("peer")?];
                Ok((row.try_get("sequence")?, row.try_get("at")?, texts, row.try_get("hash")?))
            };
            let (sequence, at, texts, hash) = read().map_err(failed("read the audit trail"))?;
            let wanted = link(&last, sequence, at, texts.each_ref().map(String::as_str));
            if sequence != count || hash != wanted {
                return Err(AuditBreak::Broken(count));
            }
            last = hash;
        }
        Ok((count, last))
    }
}

fn entry(row: &SqliteRow) -> Result<AuditEntry, PortError> {
    let error = || failed("read the audit trail");
    let sequence: i64 = row.try_get("sequence").map_err(error())?;
    let at: i64 = row.try_get("at").map_err(error())?;
    let action: String = row.try_get("action").map_err(error())?;
    let peer: String = row.try_get("peer").map_err(error())?;
    let meaningless = |what: &str| corrupt(format_args!("an audit entry {sequence} whose {what} means nothing"));
    Ok(AuditEntry {
        sequence,
        timestamp: DateTime::from_timestamp_micros(at).ok_or_else(|| meaningless("time"))?,
        actor: row.try_get("actor").map_err(error())?,
        action: AuditAction::ALL
            .into_iter()
            .find(|known| known.as_str() == action)
            .ok_or_else(|| meaningless("action"))?,
        subject: row.try_get("subject").map_err(error())?,
        peer: match peer.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| meaningless("address"))?),
        },
        hash: row.try_get("hash").map_err(error())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::tests::bench;

    async fn tampered(statement: &'static str) -> i64 {
        let bench = bench().await;
        let identity = &bench.identity;
        identity.bootstrap().await.unwrap().unwrap();
        for name in ["alice", "bob", "carol"] {
            identity.create_user(name, parapet_ports::accounts::Role::Viewer).await.unwrap();
        }
        assert_eq!(identity.verify_audit_trail().await.unwrap().0, 4);
        let mut transaction = identity.database.write().await.unwrap();
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        match identity.verify_audit_trail().await {
            Err(AuditBreak::Broken(at)) => at,
            other => panic!("{statement}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn tampering_breaks_the_chain_where_it_happened() {
        assert_eq!(tampered("UPDATE audit_trail SET subject = 'mallory' WHERE sequence = 2").await, 2);
        assert_eq!(tampered("UPDATE audit_trail SET at = at + 1 WHERE sequence = 1").await, 1);
        assert_eq!(tampered("DELETE FROM audit_trail WHERE sequence = 3").await, 3);
        let inserted = "INSERT INTO audit_trail SELECT 5, at, actor, action, subject, peer, hash FROM audit_trail \
             WHERE sequence = 4";
        assert_eq!(tampered(inserted).await, 5);
    }

    #[tokio::test]
    async fn the_trail_pages_newest_first() {
        let bench = bench().await;
        let identity = &bench.identity;
        identity.bootstrap().await.unwrap().unwrap();
        identity.create_user("alice", parapet_ports::accounts::Role::Viewer).await.unwrap();
        let newest = identity.audit_trail(None, 1).await.unwrap();
        assert_eq!((newest[0].subject.as_str(), newest[0].actor.as_str()), ("alice", "system"));
        let older = identity.audit_trail(Some(newest[0].sequence), 10).await.unwrap();
        assert_eq!(older.len(), 1);
        assert_eq!(older[0].action, AuditAction::UserCreated);
        assert_eq!(older[0].peer, None);
    }

    #[test]
    fn stored_names_are_the_serialized_form() {
        for action in AuditAction::ALL {
            assert_eq!(serde_json::to_string(&action).unwrap(), format!("\"{}\"", action.as_str()));
        }
    }
}
