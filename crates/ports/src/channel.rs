//! Channels that deliver alerts to people and systems.

use crate::PortError;
use async_trait::async_trait;
use parapet_event::{Alert, SecurityEvent};

/// Delivers one alert. Retry and timeout are layers around it (see [`crate::layers`]).
#[async_trait]
pub trait Channel: Send + Sync {
    /// Name in the configuration.
    fn name(&self) -> &str;

    /// Whether this channel is configured for such an alert. Others are neither queued nor counted.
    fn wants(&self, alert: &Alert) -> bool {
        let _ = alert;
        true
    }

    /// Delivers; returns when the other side confirmed.
    async fn deliver(&self, alert: &Alert, event: &SecurityEvent) -> Result<(), PortError>;
}
