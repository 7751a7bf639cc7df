//! Monitor: how far each consumer group is behind, as metrics; and what was lost on the way to it, in the
//! ledger and as reports.
//!
//! `parapet_stream_unread` and `parapet_stream_pending` with labels `stream` and `group`.

use crate::ledger::{EventLedger, Hop, Numbers};
use crate::loss::Reporter;
use crate::losses::KnownLosses;
use crate::seat::Appended;
use crate::sequence::Look;
use parapet_ports::EventStream;
use parapet_ports::stream::Lag;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(2);

/// One consumer group and the hop that accounts for it.
pub(crate) struct Watched {
    pub(crate) stream: Arc<dyn EventStream>,
    pub(crate) group: String,
    pub(crate) hop: Arc<Hop>,
    /// Whether somebody in this process counts what is appended.
    pub(crate) appended: Appended,
    /// Entries that the stream is known to have dropped; further ones are counted.
    pub(crate) dropped: Option<u64>,
    /// Producers' numbers at the hop, where gaps are looked for.
    pub(crate) numbers: Option<Arc<Numbers>>,
}

impl Watched {
    async fn look(&mut self, grace: Duration, losses: &KnownLosses, reporter: &mut Reporter) {
        // A stream that is away shows in the health of the stage that reads it.
        let Ok(lag) = self.stream.lag(&self.group).await else { return };
        let labels = [("stream", self.stream.name().to_owned()), ("group", self.group.clone())];
        metrics::gauge!("parapet_stream_unread", &labels).set(lag.unread as f64);
        metrics::gauge!("parapet_stream_pending", &labels).set(lag.pending as f64);
        self.count_dropped(&lag, losses, reporter);
        self.look_for_gaps(&lag, grace, reporter).await;
    }

    fn count_dropped(&mut self, lag: &Lag, losses: &KnownLosses, reporter: &mut Reporter) {
        let known = self.dropped.replace(lag.dropped).unwrap_or(lag.dropped);
        let events = lag.dropped.saturating_sub(known);
        losses.note(self.stream.name(), &self.group, lag.dropped);
        if events == 0 {
            return;
        }
        if self.appended == Appended::Elsewhere {
            // The reader counts what it reads, and will not read these.
            self.hop.produced(events);
        }
        self.hop.dropped("trimmed", events);
        reporter.trimmed(self.hop.name(), self.stream.name(), &self.group, events);
    }

    async fn look_for_gaps(&self, lag: &Lag, grace: Duration, reporter: &mut Reporter) {
        let Some(numbers) = &self.numbers else { return };
        let Ok(readers) = self.stream.readers(&self.group).await else { return };
        numbers.readers(readers);
        let look = Look { now: Instant::now(), appended: lag.appended, waiting: lag.unread + lag.pending, grace };
        for loss in numbers.settle(&look) {
            reporter.gap(numbers.hop(), &loss);
        }
    }
}

/// What the monitor works with.
pub(crate) struct Monitor {
    pub(crate) groups: Vec<Watched>,
    pub(crate) ledger: Arc<EventLedger>,
    pub(crate) losses: Arc<KnownLosses>,
    pub(crate) reporter: Reporter,
    /// How long something may be missing before it counts as lost.
    pub(crate) grace: Duration,
}

impl Monitor {
    /// Looks at all groups every two seconds until cancelled, and once more at the end.
    pub(crate) async fn watch(mut self, stop: CancellationToken) {
        loop {
            let last = stop.is_cancelled();
            for group in &mut self.groups {
                group.look(self.grace, &self.losses, &mut self.reporter).await;
            }
            self.ledger.show_in_flight();
            // What is reported at the end is processed after the next start.
            self.reporter.deliver().await;
            if last {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}
