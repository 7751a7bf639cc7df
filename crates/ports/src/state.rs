//! Small shared state that may be lost: counters, markers, caches.

use crate::PortError;
use async_trait::async_trait;
use std::time::Duration;

/// Keys and values that several instances share, each for a limited time.
///
/// It is for what can be lost without harm: counters of rate limits, what has been seen lately, answers
/// that can be worked out again. A value is gone at the end of its time to live, and may be gone before
/// when there is no room. Each call is atomic: of several that happen at once, each sees what the ones
/// before it have done.
#[async_trait]
pub trait State: Send + Sync {
    /// Name for metrics and messages.
    fn name(&self) -> &str;

    /// The value of a key; `None` if it has none or its time is over.
    ///
    /// # Errors
    /// `Unavailable` when the system is away.
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError>;

    /// Sets a key for a time. A value that is larger than the whole state may be refused.
    ///
    /// # Errors
    /// `Rejected` when the value is too large, `Unavailable` when the system is away.
    async fn put(&self, key: &[u8], value: &[u8], time_to_live: Duration) -> Result<(), PortError>;

    /// Adds to a number and returns the sum. A key without value counts as 0, and its time begins now;
    /// that of a key with a value goes on. Numbers are kept as decimal text, which `get` returns, and
    /// stay at the ends of their range.
    ///
    /// # Errors
    /// `Rejected` when the value is no number, `Unavailable` when the system is away.
    async fn increment(&self, key: &[u8], by: i64, time_to_live: Duration) -> Result<i64, PortError>;

    /// Sets a key for a time, or takes it out (`None`), if it still has the value `expected` (`None`: no
    /// value). Whether it had.
    ///
    /// # Errors
    /// As `put`.
    async fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        time_to_live: Duration,
    ) -> Result<bool, PortError>;
}
