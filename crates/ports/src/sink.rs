//! Where the gateway leaves its events.

use async_trait::async_trait;
use parapet_event::SecurityEvent;

/// Takes events from the request path. Never blocks and never fails the request by itself.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Takes the event or drops it by the configured policy; a drop is counted in the ledger.
    fn submit(&self, event: SecurityEvent);

    /// Resolves when everything submitted so far survives the death of this process or was dropped by
    /// the policy, or after a short time that the sink sets, whatever happens. The gateway lets the end of
    /// an answer go after that.
    async fn settled(&self) {}

    /// `false` when the spool is full and the policy is to fail closed: the gateway answers 503
    /// instead of letting requests through unobserved.
    fn accepting(&self) -> bool;
}
