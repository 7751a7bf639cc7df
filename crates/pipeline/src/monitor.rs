//! Monitor: how far each consumer group is behind, as metrics; and entries that a stream dropped by
//! itself, in the ledger.
//!
//! `parapet_stream_unread` and `parapet_stream_pending` with labels `stream` and `group`.

use crate::ledger::Hop;
use parapet_ports::EventStream;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(5);

/// One consumer group and the hop that accounts for it.
pub(crate) struct Watched {
    pub(crate) stream: Arc<dyn EventStream>,
    pub(crate) group: String,
    pub(crate) hop: Arc<Hop>,
    /// Entries that the stream had dropped when this process joined; later ones are counted.
    pub(crate) dropped: u64,
}

impl Watched {
    async fn look(&mut self) {
        // A stream that is away shows in the health of the stage that reads it.
        let Ok(lag) = self.stream.lag(&self.group).await else { return };
        let labels = [("stream", self.stream.name().to_owned()), ("group", self.group.clone())];
        metrics::gauge!("parapet_stream_unread", &labels).set(lag.unread as f64);
        metrics::gauge!("parapet_stream_pending", &labels).set(lag.pending as f64);
        if lag.dropped > self.dropped {
            let events = lag.dropped - self.dropped;
            tracing::error!(
                stream = self.stream.name(),
                group = self.group,
                events,
                "the stream dropped unread events"
            );
            self.hop.dropped("trimmed", events);
            self.dropped = lag.dropped;
        }
    }
}

/// Looks at all groups every five seconds until cancelled, and once more at the end.
pub(crate) async fn watch(mut groups: Vec<Watched>, stop: CancellationToken) {
    loop {
        let last = stop.is_cancelled();
        for group in &mut groups {
            group.look().await;
        }
        if last {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = stop.cancelled() => {}
        }
    }
}
