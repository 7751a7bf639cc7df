//! The configuration of the pipeline: the tables of its stages in one.

use crate::sources::intake;
use crate::{analytics, classify, dead_letter, ledger, realtime, router, severity, spool};
use serde::Deserialize;
use std::num::NonZeroU64;

/// Configuration of the pipeline. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Hand-off from the request path.
    pub spool: spool::Config,
    /// How the logs of other WAFs are taken in.
    pub intake: intake::Config,
    /// How severity is computed.
    pub severity: severity::Config,
    /// Which events are real-time.
    pub classification: classify::Config,
    /// How the router reads.
    pub router: router::Config,
    /// When alerts are raised and how they are delivered.
    pub realtime: realtime::Config,
    /// How events are batched into the store.
    pub analytics: analytics::Config,
    /// Limits of the dead letter files.
    pub dead_letter: dead_letter::Config,
    /// When something missing counts as lost.
    pub ledger: ledger::Config,
    /// Milliseconds that a shutdown waits for the pipeline to run empty. Default 10,000. What is left
    /// then stays in its stream for the next start.
    pub shutdown_timeout_ms: NonZeroU64,
    /// Name of this process in the consumer groups; processes that share streams need different
    /// ones, and a restarted one the same again. Default: whatever starts the pipeline sets, else
    /// `parapet`.
    pub member: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            spool: spool::Config::default(),
            intake: intake::Config::default(),
            severity: severity::Config::default(),
            classification: classify::Config::default(),
            router: router::Config::default(),
            realtime: realtime::Config::default(),
            analytics: analytics::Config::default(),
            dead_letter: dead_letter::Config::default(),
            ledger: ledger::Config::default(),
            shutdown_timeout_ms: const { NonZeroU64::new(10_000).expect("not zero") },
            member: None,
        }
    }
}
