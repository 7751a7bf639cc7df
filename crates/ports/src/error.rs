//! The one error type of all seams.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a caller can do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The configuration is wrong; retrying cannot help.
    Config,
    /// The system is away or overloaded; retrying later can help.
    Unavailable,
    /// The system refused this very data; retrying cannot help.
    Rejected,
    /// A declared limit (disk, queue) is reached.
    Full,
    /// Stored bytes are damaged.
    Corrupt,
    /// This implementation cannot do that.
    Unsupported,
}

/// Failure at a seam. The message says what failed and where, without secrets.
#[derive(Debug)]
pub struct PortError {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// When the other side asked to be tried again.
    pub retry_after: Option<Duration>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error with a message for the person who can fix it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        PortError { kind, retry_after: None, message: message.into(), source: None }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the delay the other side asked for.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Full)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
