//! Counts what happens to requests, for the console and for Prometheus.

use metrics::{Counter, Histogram};
use parapet_ports::traffic::TrafficTotals;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Totals over all sites. Prometheus counters cannot be read back, so these are kept besides them.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    requests: AtomicU64,
    blocked: AtomicU64,
    rejected: AtomicU64,
    detected: AtomicU64,
    upstream_errors: AtomicU64,
}

/// What became of a request, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// Status sent; 0 if the connection was dropped instead.
    pub(crate) status: u16,
    /// What was done.
    pub(crate) action: Option<parapet_event::Action>,
    /// Whether the upstream failed.
    pub(crate) upstream_failed: bool,
    /// Bytes of request body.
    pub(crate) received: u64,
    /// Bytes of response body.
    pub(crate) sent: u64,
    /// Time spent in the engine.
    pub(crate) engine: Option<Duration>,
    /// Time from the head of the request to the end of the response.
    pub(crate) total: Duration,
}

/// Metrics of one site.
pub(crate) struct SiteCounters {
    /// By the first digit of the status; 0 for dropped connections.
    requests: [Counter; 6],
    blocked: Counter,
    rejected: Counter,
    detected: Counter,
    upstream_errors: Counter,
    /// Panics of the engine.
    pub(crate) engine_errors: Counter,
    received: Counter,
    sent: Counter,
    engine_seconds: Histogram,
    total_seconds: Histogram,
}

impl fmt::Debug for SiteCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteCounters")
    }
}

impl SiteCounters {
    /// Registers the metrics of a site with the recorder installed now.
    pub(crate) fn new(site: &str) -> Self {
        let by_class = |class: &'static str| metrics::counter!("parapet_gateway_requests_total", "site" => site.to_owned(), "status" => class);
        let counter = |name: &'static str| metrics::counter!(name, "site" => site.to_owned());
        let bytes = |direction: &'static str| metrics::counter!("parapet_gateway_body_bytes_total", "site" => site.to_owned(), "direction" => direction);
        SiteCounters {
            requests: ["dropped", "1xx", "2xx", "3xx", "4xx", "5xx"].map(by_class),
            blocked: counter("parapet_gateway_blocked_total"),
            rejected: counter("parapet_gateway_rejected_total"),
            detected: counter("parapet_gateway_detected_total"),
            upstream_errors: counter("parapet_gateway_upstream_errors_total"),
            engine_errors: counter("parapet_gateway_engine_errors_total"),
            received: bytes("received"),
            sent: bytes("sent"),
            engine_seconds: metrics::histogram!("parapet_gateway_engine_seconds", "site" => site.to_owned()),
            total_seconds: metrics::histogram!("parapet_gateway_request_seconds", "site" => site.to_owned()),
        }
    }

    /// Counts one request here and in the totals.
    pub(crate) fn count(&self, totals: &Totals, tally: &Tally) {
        use parapet_event::Action;
        let class = usize::from(tally.status / 100).min(5);
        self.requests[class].increment(1);
        totals.requests.fetch_add(1, Ordering::Relaxed);
        let (counter, total) = match tally.action {
            None => (None, None),
            Some(Action::Blocked) => (Some(&self.blocked), Some(&totals.blocked)),
            Some(Action::Rejected) => (Some(&self.rejected), Some(&totals.rejected)),
            Some(Action::Detected) => (Some(&self.detected), Some(&totals.detected)),
        };
        if let (Some(counter), Some(total)) = (counter, total) {
            counter.increment(1);
            total.fetch_add(1, Ordering::Relaxed);
        }
        if tally.upstream_failed {
            self.upstream_errors.increment(1);
            totals.upstream_errors.fetch_add(1, Ordering::Relaxed);
        }
        if tally.received > 0 {
            self.received.increment(tally.received);
        }
        if tally.sent > 0 {
            self.sent.increment(tally.sent);
        }
        if let Some(engine) = tally.engine {
            self.engine_seconds.record(engine.as_secs_f64());
        }
        self.total_seconds.record(tally.total.as_secs_f64());
    }
}

impl Totals {
    /// The totals now.
    pub(crate) fn snapshot(&self) -> TrafficTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TrafficTotals {
            requests: read(&self.requests),
            blocked: read(&self.blocked),
            rejected: read(&self.rejected),
            detected: read(&self.detected),
            upstream_errors: read(&self.upstream_errors),
        }
    }
}
