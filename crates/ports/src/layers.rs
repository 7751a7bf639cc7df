//! What is wrapped around plugins once: timeout and retry.

use crate::{Channel, ErrorKind, PortError};
use async_trait::async_trait;
use parapet_event::{Alert, SecurityEvent};
use std::sync::Arc;
use std::time::Duration;

/// How often and how long to try.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Limit of one attempt.
    pub timeout: Duration,
    /// Pause after the first failure; doubles each time, up to one minute.
    pub backoff: Duration,
}

/// Delivers through `inner` until it works, a permanent error says it never will, or the attempts
/// are used up. Returns how many attempts were made with the outcome.
pub struct Retrying {
    inner: Arc<dyn Channel>,
    policy: RetryPolicy,
}

const BACKOFF_MAX: Duration = Duration::from_secs(60);

impl Retrying {
    /// Wraps a channel.
    pub fn new(inner: Arc<dyn Channel>, policy: RetryPolicy) -> Self {
        Retrying { inner, policy }
    }

    /// Delivers and says how many attempts it took.
    pub async fn deliver_counting(&self, alert: &Alert, event: &SecurityEvent) -> (u32, Result<(), PortError>) {
        let mut backoff = self.policy.backoff;
        let mut attempt = 1;
        loop {
            let outcome = match tokio::time::timeout(self.policy.timeout, self.inner.deliver(alert, event)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(PortError::new(
                    ErrorKind::Unavailable,
                    format!("no answer within {} ms", self.policy.timeout.as_millis()),
                )),
            };
            match outcome {
                Err(error) if error.is_transient() && attempt < self.policy.attempts => {
                    tokio::time::sleep(error.retry_after.unwrap_or(backoff).min(BACKOFF_MAX)).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    attempt += 1;
                }
                outcome => return (attempt, outcome),
            }
        }
    }
}

#[async_trait]
impl Channel for Retrying {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn wants(&self, alert: &Alert) -> bool {
        self.inner.wants(alert)
    }

    async fn deliver(&self, alert: &Alert, event: &SecurityEvent) -> Result<(), PortError> {
        self.deliver_counting(alert, event).await.1
    }
}
