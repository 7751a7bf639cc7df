//! Totals of all traffic, also of requests without findings.

use serde::{Deserialize, Serialize};

/// Counted since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficTotals {
    /// Requests answered in any way.
    pub requests: u64,
    /// Refused by a rule.
    pub blocked: u64,
    /// Refused before any rule ran.
    pub rejected: u64,
    /// Let through with findings.
    pub detected: u64,
    /// Answered 502/504 because the upstream failed.
    pub upstream_errors: u64,
}

/// Whoever counts requests.
pub trait TrafficSource: Send + Sync {
    /// Totals now.
    fn totals(&self) -> TrafficTotals;
}
