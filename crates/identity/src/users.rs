//! Users, managed on the machine itself: the first administrator, further users, lost passwords.

use crate::Identity;
use crate::audit::{AuditAction, NewEntry, append};
use crate::database::{corrupt, failed};
use crate::password::generate;
use parapet_ports::accounts::{LoginError, Role};
use parapet_ports::{ErrorKind, PortError, Secret};
use ulid::Ulid;

/// Name of the first administrator.
const FIRST_ADMIN: &str = "admin";
/// Who acts on the machine itself, in the audit trail.
const SYSTEM: &str = "system";

/// A user with a password that was made up just now. It is shown once and stored only as a hash.
#[derive(Debug)]
pub struct GeneratedCredential {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// Why a user cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// The name cannot be used.
    #[error("`{0}` cannot be a user name: use 1 to 64 of the characters a-z, 0-9, `.`, `_`, `-` and `@`")]
    Name(String),
    /// The name is taken.
    #[error("there is a user `{0}` already")]
    Exists(String),
    /// The database failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Identity {
    /// Creates the user `admin` with a random password where there are no users yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bootstrap(&self) -> Result<Option<GeneratedCredential>, PortError> {
        // Hashed before the lock is taken: two processes that start together both hash, one wins.
        let (credential, hash) = self.generate(FIRST_ADMIN).await?;
        let mut transaction = self.database.write().await?;
        let users: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("count users"))?;
        if users > 0 {
            return Ok(None);
        }
        self.insert(&mut transaction, FIRST_ADMIN, Role::Admin, &hash).await?;
        transaction.commit().await.map_err(failed("create the first administrator"))?;
        Ok(Some(credential))
    }

    /// Creates a user with a random password.
    ///
    /// # Errors
    /// The name cannot be used or is taken, or the database failed.
    pub async fn create_user(&self, username: &str, role: Role) -> Result<GeneratedCredential, CreateUserError> {
        let username = canonical(username).ok_or_else(|| CreateUserError::Name(username.to_owned()))?;
        let (credential, hash) = self.generate(&username).await?;
        let mut transaction = self.database.write().await?;
        match self.insert(&mut transaction, &username, role, &hash).await {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Rejected => return Err(CreateUserError::Exists(username)),
            Err(error) => return Err(error.into()),
        }
        transaction.commit().await.map_err(failed("create a user"))?;
        Ok(credential)
    }

    /// Gives a user a new random password and ends all of the user's sessions; `None` if there is
    /// no such user.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reset_password(&self, username: &str) -> Result<Option<GeneratedCredential>, PortError> {
        let Some(username) = canonical(username) else { return Ok(None) };
        let (credential, hash) = self.generate(&username).await?;
        let error = || failed("reset a password");
        let mut transaction = self.database.write().await?;
        let now = self.now();
        let updated: Option<String> = sqlx::query_scalar(
            "UPDATE users SET password = $1, password_changed_at = $2 WHERE username = $3 RETURNING id",
        )
        .bind(&hash)
        .bind(now.timestamp_micros())
        .bind(&username)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error())?;
        let Some(user_id) = updated else { return Ok(None) };
        sqlx::query("DELETE FROM sessions WHERE user_id = $1")
            .bind(user_id)
            .execute(&mut *transaction)
            .await
            .map_err(error())?;
        let entry = NewEntry { actor: SYSTEM, action: AuditAction::PasswordReset, subject: &username, peer: None };
        append(&mut transaction, now, entry).await?;
        transaction.commit().await.map_err(error())?;
        Ok(Some(credential))
    }

    async fn generate(&self, username: &str) -> Result<(GeneratedCredential, String), PortError> {
        let password = generate();
        let hash = self.passwords.hash(&password).await.map_err(|error| match error {
            LoginError::Port(error) => error,
            _ => PortError::new(ErrorKind::Unavailable, "too many passwords are being checked; try again"),
        })?;
        Ok((GeneratedCredential { username: username.to_owned(), password }, hash))
    }

    async fn insert(
        &self,
        transaction: &mut sqlx::Transaction<'_, sqlx::Sqlite>,
        username: &str,
        role: Role,
        hash: &str,
    ) -> Result<(), PortError> {
        let now = self.now();
        sqlx::query(
            "INSERT INTO users (id, username, role, password, created_at, password_changed_at) \
             VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(Ulid::generate().to_string())
        .bind(username)
        .bind(role_name(role))
        .bind(hash)
        .bind(now.timestamp_micros())
        .execute(&mut **transaction)
        .await
        .map_err(failed("create a user"))?;
        let entry = NewEntry { actor: SYSTEM, action: AuditAction::UserCreated, subject: username, peer: None };
        append(transaction, now, entry).await
    }
}

/// The one form of a user name; `None` for what cannot be one.
pub(crate) fn canonical(username: &str) -> Option<String> {
    let name = username.trim().to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-@".contains(&byte);
    ((1..=64).contains(&name.len()) && name.bytes().all(allowed)).then_some(name)
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Analyst => "analyst",
        Role::Admin => "admin",
    }
}

pub(crate) fn parse_role(name: &str) -> Result<Role, PortError> {
    [Role::Viewer, Role::Analyst, Role::Admin]
        .into_iter()
        .find(|role| role_name(*role) == name)
        .ok_or_else(|| corrupt(format_args!("the unknown role `{name}`")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Config;
    use chrono::{DateTime, TimeDelta, Utc};
    use parapet_ports::Accounts;
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};

    pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// An identity on a temporary file, and its clock.
    pub(crate) struct Bench {
        pub(crate) identity: Arc<Identity>,
        pub(crate) config: Config,
        now: Arc<Mutex<DateTime<Utc>>>,
        _directory: tempfile::TempDir,
    }

    impl Bench {
        pub(crate) fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += TimeDelta::seconds(seconds as i64);
        }
    }

    pub(crate) async fn bench() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { path: directory.path().join("control.db"), ..Config::default() };
        let now = Arc::new(Mutex::new(DateTime::from_timestamp(1_780_000_000, 0).unwrap()));
        let clock = now.clone();
        let identity = Identity::open_with_clock(&config, Arc::new(move || *clock.lock().unwrap())).await.unwrap();
        Bench { identity: Arc::new(identity), config, now, _directory: directory }
    }

    #[tokio::test]
    async fn the_first_start_makes_an_administrator_and_later_ones_do_not() {
        let bench = bench().await;
        let credential = bench.identity.bootstrap().await.unwrap().unwrap();
        assert_eq!(credential.username, "admin");
        assert!(bench.identity.bootstrap().await.unwrap().is_none());
        let session = bench.identity.login("admin", &credential.password, PEER).await.unwrap();
        assert_eq!(session.principal.role, Role::Admin);
        bench.identity.close().await;
        let again = Identity::open(&bench.config).await.unwrap();
        assert!(again.bootstrap().await.unwrap().is_none(), "users outlive the process");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_first_starts_at_once_one_makes_the_administrator() {
        let bench = bench().await;
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let config = bench.config.clone();
                tokio::spawn(async move { Identity::open(&config).await.unwrap().bootstrap().await.unwrap() })
            })
            .collect();
        let mut made = 0;
        for start in starts {
            made += usize::from(start.await.unwrap().is_some());
        }
        assert_eq!(made, 1);
        assert_eq!(bench.identity.verify_audit_trail().await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn a_reset_password_replaces_the_old_one_and_ends_sessions() {
        let bench = bench().await;
        let old = bench.identity.bootstrap().await.unwrap().unwrap();
        let session = bench.identity.login("admin", &old.password, PEER).await.unwrap();
        let new = bench.identity.reset_password("Admin").await.unwrap().unwrap();
        assert!(bench.identity.session(&session.token).await.unwrap().is_none());
        assert!(bench.identity.login("admin", &old.password, PEER).await.is_err());
        bench.identity.login("admin", &new.password, PEER).await.unwrap();
        assert!(bench.identity.reset_password("nobody").await.unwrap().is_none());
        assert_eq!(bench.identity.audit_trail(None, 3).await.unwrap()[2].action, AuditAction::PasswordReset);
    }

    #[tokio::test]
    async fn names_are_unique_in_any_case_and_plain() {
        let bench = bench().await;
        bench.identity.create_user("Alice", Role::Analyst).await.unwrap();
        let taken = bench.identity.create_user("aLICE", Role::Viewer).await.unwrap_err();
        assert!(matches!(taken, CreateUserError::Exists(name) if name == "alice"));
        for name in ["", " ", "a b", "ä", "x\ny", &"a".repeat(65)] {
            let refused = bench.identity.create_user(name, Role::Viewer).await.unwrap_err();
            assert!(matches!(refused, CreateUserError::Name(_)), "{name:?}");
        }
    }
}
