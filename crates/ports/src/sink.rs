//! Where the gateway leaves its events.

use parapet_event::SecurityEvent;

/// Takes events from the request path. Never blocks and never fails the request by itself.
pub trait EventSink: Send + Sync {
    /// Takes the event or drops it by the configured policy; a drop is counted in the ledger.
    fn submit(&self, event: SecurityEvent);

    /// `false` when the spool is full and the policy is to fail closed: the gateway answers 503
    /// instead of letting requests through unobserved.
    fn accepting(&self) -> bool;
}
