//! One worker thread: what it shares with the others and what is its own.

use crate::budget::Budget;
use crate::collections::Collections;
use crate::config::{Config, FailDirection};
use crate::counters::Totals;
use crate::head::HeadLimits;
use crate::log_writer::LogWriter;
use crate::policies::PolicySet;
use crate::sites::Sites;
use crate::text::Redactor;
use crate::upstream::Pool;
use parapet_event::Origin;
use parapet_ports::EventSink;
use pingora_core::connectors::TransportConnector;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;
use ulid::Ulid;

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) sites: Sites,
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) redactor: Redactor,
    /// What rules keep between requests.
    pub(crate) collections: Arc<Collections>,
    pub(crate) audit_log: Option<LogWriter>,
    pub(crate) error_log: Option<LogWriter>,
    pub(crate) access_log: Option<LogWriter>,
    /// There if any upstream speaks TLS.
    pub(crate) tls: Option<TransportConnector>,
    /// Unique per start of the process.
    pub(crate) instance: Ulid,
    /// Whether the gateway is stopping: no request is followed by another on its connection.
    pub(crate) stopping: AtomicBool,
    /// Wakes whoever waits for that.
    pub(crate) stop: Notify,
}

/// One worker. It runs on a thread of its own with a runtime of its own, so nothing here is contended.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    number: u16,
    sequence: AtomicU64,
    /// Idle connections to upstreams.
    pub(crate) pool: Pool,
    connections: AtomicUsize,
    exchanges: AtomicUsize,
}

/// Counts something while it exists.
pub(crate) struct Counted<'w>(&'w AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Limits of a request head.
    pub(crate) fn head_limits(&self) -> HeadLimits {
        let limits = &self.config.limits;
        HeadLimits { request_line: limits.request_line_bytes, total: limits.head_bytes, headers: limits.headers }
    }

    /// Tells everybody to stop.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.notify_waiters();
    }

    /// Waits until the gateway is stopping.
    pub(crate) async fn stopping(&self) {
        let notified = self.stop.notified();
        if !self.stopping.load(Ordering::Relaxed) {
            notified.await;
        }
    }

    /// Whether requests must be refused because their events could not be kept.
    pub(crate) fn is_closed_by_spool(&self) -> bool {
        self.config.fail_policy.spool_full == FailDirection::Closed && !self.sink.accepting()
    }
}

impl Worker {
    /// Worker `number` of a gateway.
    pub(crate) fn new(shared: Arc<Shared>, number: u16) -> Self {
        let pool = Pool::new(shared.sites.server_count(), shared.config.timeouts.upstream_keep_alive);
        Worker {
            shared,
            number,
            sequence: AtomicU64::new(0),
            pool,
            connections: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
        }
    }

    /// The number of the next event. Whoever takes one must submit the event, or the sequence has a gap.
    pub(crate) fn next_origin(&self) -> Origin {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        Origin::new(self.shared.instance, self.number, sequence)
    }

    /// Admits one more connection, if there is room.
    pub(crate) fn admit_connection(&self) -> Option<Counted<'_>> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(&self.connections);
        (before < self.shared.config.limits.connections_per_worker).then_some(counted)
    }

    /// Counts a request in flight.
    pub(crate) fn begin_exchange(&self) -> Counted<'_> {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Counted(&self.exchanges)
    }

    /// Requests in flight.
    pub(crate) fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }
}
