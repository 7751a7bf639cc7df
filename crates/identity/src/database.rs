//! The control database: one SQLite file in WAL mode.
//!
//! Readers use a small pool; all writes go over one connection, so that writers of this process
//! queue instead of failing busy, and the audit chain has one end. Another process (the command
//! line) may write at the same time; each waits for the other up to the busy timeout. A commit
//! survives a crash of the process; loss of power may take the last moments, never the file.

use parapet_ports::{ErrorKind, PortError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a writer waits for the writer of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// Why the control database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting cannot be used.
    #[error("identity.{setting}: {problem}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The file or its directory cannot be created or used.
    #[error("cannot use the control database {}: {source}; check identity.path and who owns it", path.display())]
    File {
        /// File or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite cannot open the file.
    #[error("cannot open the control database {}: {source}; if the file is damaged, move it away or restore a backup", path.display())]
    Database {
        /// Database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date.
    #[error("cannot bring the control database {} up to date: {source}; it may have been written by a newer version, which then has to be used", path.display())]
    Migration {
        /// Database file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// Passwords cannot be hashed.
    #[error("cannot hash passwords: {0}")]
    Hashing(String),
}

/// Connections to the control database.
#[derive(Debug)]
pub(crate) struct Database {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Database {
    pub(crate) async fn open(path: &Path) -> Result<Database, OpenError> {
        protect(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let writer = pool(1).connect_with(options.clone()).await.map_err(database)?;
        sqlx::migrate!("./migrations")
            .run(&writer)
            .await
            .map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(database)?;
        Ok(Database { readers, writer })
    }

    /// For statements that only read.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.readers
    }

    /// A transaction that writes: it holds the write lock from its start, so it never finds out
    /// half-way that somebody else wrote first.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, PortError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed("begin a transaction"))
    }

    pub(crate) async fn check(&self) -> Result<(), PortError> {
        let one = sqlx::query("SELECT 1 FROM users WHERE id = ''").fetch_optional(&self.readers).await;
        one.map(|_| ()).map_err(failed("answer"))
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Connections stay open: opening one again costs more than keeping it, and as long as one is open
/// the write-ahead log that readers need exists.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Creates the file and its directory, readable by nobody but the owner; takes rights away where an
/// existing file gives more. SQLite gives its side files the rights of the main file.
fn protect(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::File { path, source }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed(path))?;
    let mode = file.metadata().map_err(failed(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the control database; now only its owner can");
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed(path))?;
    }
    Ok(())
}

/// Turns a failed statement into the error of the seams; `what` says what was being done.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> PortError {
    move |error| {
        let kind = match &error {
            sqlx::Error::Database(error) => match error.code().and_then(|code| code.parse::<u32>().ok()) {
                // Primary result codes are the low byte: https://www.sqlite.org/rescode.html
                Some(code) if code & 0xff == 13 => ErrorKind::Full,
                Some(code) if matches!(code & 0xff, 11 | 26) => ErrorKind::Corrupt,
                Some(code) if code & 0xff == 19 => ErrorKind::Rejected,
                _ => ErrorKind::Unavailable,
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        PortError::new(kind, format!("the control database cannot {what}")).with_source(error)
    }
}

/// Stored bytes that do not mean anything.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("the control database holds {what}; restore a backup"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn nobody_but_the_owner_can_read_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/control.db");
        let database = Database::open(&path).await.unwrap();
        database.write().await.unwrap().rollback().await.unwrap();
        for name in ["control.db", "control.db-wal", "control.db-shm"] {
            assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
        }
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        database.close().await;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Database::open(&path).await.unwrap().close().await;
        assert_eq!(mode(&path), 0o600);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.db");
        fs::write(&path, "this is a text file, long enough to have a header that SQLite does not know").unwrap();
        let message = Database::open(&path).await.unwrap_err().to_string();
        assert!(message.contains("control.db") && message.contains("not a database"), "{message}");
    }

    #[tokio::test]
    async fn a_directory_in_the_place_of_the_file_is_refused_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let message = Database::open(directory.path()).await.unwrap_err().to_string();
        assert!(message.contains(directory.path().to_str().unwrap()) && message.contains("identity.path"), "{message}");
    }
}
