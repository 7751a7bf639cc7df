//! Delivery: one lane per channel, so that a slow or dead channel delays nobody else.
//!
//! Each channel has a bounded queue and a task of its own that works through it with retries
//! ([`Retrying`]). What does not fit into the queue is recorded on the alert as a failed delivery
//! and counted; the real-time track never waits.

use crate::ledger::{EventLedger, Hop};
use chrono::Utc;
use futures::FutureExt;
use parapet_event::{Alert, Delivery, DeliveryState, SecurityEvent};
use parapet_ports::layers::{RetryPolicy, Retrying};
use parapet_ports::{Channel, ErrorKind, PortError};
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

/// How alerts are delivered to each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Attempts per alert. Default 5.
    pub attempts: NonZeroU32,
    /// Limit of one attempt in milliseconds. Default 10,000.
    pub timeout_ms: NonZeroU64,
    /// Pause after the first failed attempt in milliseconds; doubles each time, up to a minute.
    /// Default 500.
    pub backoff_ms: NonZeroU64,
    /// Alerts that may wait for one channel. Default 1,000.
    pub queue_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            attempts: const { NonZeroU32::new(5).expect("not zero") },
            timeout_ms: const { NonZeroU64::new(10_000).expect("not zero") },
            backoff_ms: const { NonZeroU64::new(500).expect("not zero") },
            queue_max: const { NonZeroUsize::new(1000).expect("not zero") },
        }
    }
}

/// What became of an alert at one channel.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) alert: Ulid,
    pub(crate) delivery: Delivery,
}

type Job = Arc<(Alert, SecurityEvent)>;

/// All channels.
pub(crate) struct Dispatcher {
    lanes: Vec<Lane>,
    /// Ends the tasks with the dispatcher; what they had not delivered is still pending on the alert.
    _workers: JoinSet<()>,
}

struct Lane {
    channel: Arc<dyn Channel>,
    queue: mpsc::Sender<Job>,
    hop: Arc<Hop>,
}

impl Dispatcher {
    /// Starts one task per channel. Outcomes are sent to `reports`; the tasks end when the
    /// dispatcher is closed and their queues are empty, or at once when `abort` is cancelled.
    pub(crate) fn start(
        channels: &[Arc<dyn Channel>],
        config: Config,
        ledger: &EventLedger,
        reports: &mpsc::Sender<Report>,
        abort: &CancellationToken,
    ) -> Self {
        let policy = RetryPolicy {
            attempts: config.attempts.get(),
            timeout: Duration::from_millis(config.timeout_ms.get()),
            backoff: Duration::from_millis(config.backoff_ms.get()),
        };
        let mut workers = JoinSet::new();
        let mut lanes = Vec::with_capacity(channels.len());
        for channel in channels {
            let (queue, jobs) = mpsc::channel(config.queue_max.get());
            let hop = ledger.hop(&format!("channel:{}", channel.name()));
            let worker = Worker {
                channel: Retrying::new(channel.clone(), policy),
                hop: hop.clone(),
                reports: reports.clone(),
                abort: abort.clone(),
            };
            workers.spawn(worker.run(jobs));
            lanes.push(Lane { channel: channel.clone(), queue, hop });
        }
        Dispatcher { lanes, _workers: workers }
    }

    /// A pending delivery for every channel that wants the alert.
    pub(crate) fn plan(&self, alert: &Alert) -> Vec<Delivery> {
        let wanted = self.lanes.iter().filter(|lane| lane.channel.wants(alert));
        wanted.map(|lane| delivery(&*lane.channel, DeliveryState::Pending, None)).collect()
    }

    /// Queues the alert for the channels of its pending deliveries; returns those that failed at once.
    pub(crate) fn send(&self, alert: &Alert, event: &SecurityEvent) -> Vec<Delivery> {
        let job = Arc::new((alert.clone(), event.clone()));
        let pending = alert.deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Pending);
        let lanes =
            pending.filter_map(|delivery| self.lanes.iter().find(|lane| lane.channel.name() == delivery.channel));
        lanes.filter_map(|lane| lane.send(job.clone())).collect()
    }

    /// Lets the tasks finish their queues and end. From now on nothing is queued.
    pub(crate) fn close(&mut self) {
        self.lanes.clear();
    }
}

impl Lane {
    fn send(&self, job: Job) -> Option<Delivery> {
        self.hop.produced(1);
        let problem = match self.queue.try_send(job) {
            Ok(()) => return None,
            Err(mpsc::error::TrySendError::Full(_)) => "too many alerts are waiting for this channel",
            Err(mpsc::error::TrySendError::Closed(_)) => "the channel has ended",
        };
        self.hop.dropped("queue full", 1);
        tracing::warn!(channel = self.channel.name(), problem, "alert not delivered");
        Some(delivery(&*self.channel, DeliveryState::Failed, Some(problem.to_owned())))
    }
}

fn delivery(channel: &dyn Channel, state: DeliveryState, error: Option<String>) -> Delivery {
    Delivery { channel: channel.name().to_owned(), state, attempts: 0, timestamp: Utc::now(), error }
}

struct Worker {
    channel: Retrying,
    hop: Arc<Hop>,
    reports: mpsc::Sender<Report>,
    abort: CancellationToken,
}

impl Worker {
    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let (alert, event) = &*job;
            let attempt = AssertUnwindSafe(self.channel.deliver_counting(alert, event)).catch_unwind();
            let (attempts, outcome) = tokio::select! {
                biased;
                () = self.abort.cancelled() => return,
                outcome = attempt => outcome.unwrap_or_else(|_| {
                    (1, Err(PortError::new(ErrorKind::Rejected, "the channel panicked; see the log")))
                }),
            };
            let delivery = self.account(attempts, outcome);
            if self.reports.send(Report { alert: alert.id, delivery }).await.is_err() {
                return;
            }
        }
    }

    fn account(&self, attempts: u32, outcome: Result<(), PortError>) -> Delivery {
        let channel = self.channel.name().to_owned();
        let error = match outcome {
            Ok(()) => {
                self.hop.delivered(1);
                None
            }
            Err(error) => {
                self.hop.dropped("given up", 1);
                tracing::warn!(channel, attempts, %error, "alert not delivered");
                Some(error.to_string())
            }
        };
        let state = if error.is_none() { DeliveryState::Delivered } else { DeliveryState::Failed };
        Delivery { channel, state, attempts, timestamp: Utc::now(), error }
    }
}
