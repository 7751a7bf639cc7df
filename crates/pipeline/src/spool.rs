//! Spool: takes events from the request path and makes them durable.
//!
//! The request path only pushes onto a bounded queue in memory (one short lock, no I/O). A writer
//! task moves everything that has gathered into the spool stream, in order, in batches: while one
//! batch is being made durable the next one gathers, so the batch size follows the load. When the
//! stream is away or its disk is full the writer keeps trying and the queue fills up; what happens
//! then is the policy [`WhenFull`].
//!
//! The end of an answer waits until its event is in the stream, for at most `answer_waits_ms`: so whoever
//! kills the process loses no event of a request that was answered. A stream that does not keep up costs
//! one such wait; from then on answers go at once, and are counted, until a batch has been written.
//!
//! On shutdown the queue is drained into the stream. What cannot be written by the deadline goes to
//! the dead letter file.

use crate::chain::Chain;
use crate::dead_letter::{DeadLetter, Letter};
use crate::ledger::{EventLedger, Hop};
use crate::stage::{GivenUp, Stage};
use async_trait::async_trait;
use parapet_event::SecurityEvent;
use parapet_ports::{EventSink, EventStream, PortError, SharedEvent};
use serde::Deserialize;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Limits of the hand-off and what happens when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events held in memory at most. Default 65,536.
    pub events_max: NonZeroUsize,
    /// Bytes of text in those events at most, roughly. Default 64 MiB.
    pub bytes_max: NonZeroUsize,
    /// Events written at once at most. Default 1,024.
    pub batch_max: NonZeroUsize,
    /// What to do when either limit is reached. Default `drop-oldest`.
    pub when_full: WhenFull,
    /// Milliseconds that the end of an answer waits for its event to be in the stream, at most. 0 lets
    /// it go at once. Default 1,000: a machine that is short of time needs more than a healthy one.
    pub answer_waits_ms: u64,
}

/// What the spool does when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The oldest events make room and are counted as dropped: traffic goes on.
    #[default]
    DropOldest,
    /// [`EventSink::accepting`] turns `false`, so that the gateway refuses requests rather than let
    /// them through unobserved. Events of requests already under way are dropped and counted.
    FailClosed,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            events_max: const { NonZeroUsize::new(65_536).expect("not zero") },
            bytes_max: const { NonZeroUsize::new(64 << 20).expect("not zero") },
            batch_max: const { NonZeroUsize::new(1024).expect("not zero") },
            when_full: WhenFull::DropOldest,
            answer_waits_ms: 1000,
        }
    }
}

/// The hand-off between the request path and the spool stream.
pub struct Spool {
    config: Config,
    queue: Mutex<Queue>,
    /// Read on every request, so kept outside the lock. True from the moment a limit is reached
    /// until the queue is below three quarters of both, so that the gateway does not flap.
    full: AtomicBool,
    ready: Notify,
    /// How many of the submitted events have left for the stream or were given up, oldest first.
    settled: watch::Sender<u64>,
    /// An answer has waited in vain since the last batch was written.
    stalled: AtomicBool,
    gateway: Arc<Hop>,
    hop: Arc<Hop>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(usize, SecurityEvent)>,
    bytes: usize,
    /// Events ever pushed.
    submitted: u64,
    closed: bool,
}

impl Queue {
    fn pop(&mut self) -> Option<SecurityEvent> {
        let (bytes, event) = self.events.pop_front()?;
        self.bytes -= bytes;
        Some(event)
    }
}

impl Spool {
    pub(crate) fn new(config: Config, ledger: &EventLedger) -> Self {
        let (gateway, hop) = (ledger.hop("gateway"), ledger.hop("spool"));
        Spool {
            config,
            queue: Mutex::default(),
            full: AtomicBool::new(false),
            ready: Notify::new(),
            settled: watch::Sender::new(0),
            stalled: AtomicBool::new(false),
            gateway,
            hop,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exceeds(&self, queue: &Queue, quarters: usize) -> bool {
        let share = |limit: NonZeroUsize| (limit.get().saturating_mul(quarters) / 4).max(1);
        queue.events.len() >= share(self.config.events_max) || queue.bytes >= share(self.config.bytes_max)
    }

    fn no_room(&self, queue: &Queue, bytes: usize) -> bool {
        queue.events.len() >= self.config.events_max.get()
            || (!queue.events.is_empty() && queue.bytes + bytes > self.config.bytes_max.get())
    }

    /// Takes up to `max` events, oldest first.
    fn take(&self, max: usize) -> Vec<SharedEvent> {
        let mut queue = self.lock();
        let mut batch = Vec::with_capacity(max.min(queue.events.len()));
        while batch.len() < max
            && let Some(event) = queue.pop()
        {
            batch.push(SharedEvent::new(event));
        }
        if !self.exceeds(&queue, 3) {
            self.full.store(false, Ordering::Relaxed);
        }
        batch
    }

    /// What is no longer in the queue is in the stream, or given up. Only the writer may say so, between
    /// batches.
    fn settle(&self) {
        let queue = self.lock();
        let settled = queue.submitted - queue.events.len() as u64;
        drop(queue);
        self.stalled.store(false, Ordering::Relaxed);
        self.settled.send_replace(settled);
    }

    /// Moves events to the stream until told to stop; then refuses new ones, writes what is left
    /// and ends.
    pub(crate) async fn write_to(
        self: Arc<Self>,
        stream: Arc<dyn EventStream>,
        readers: Vec<Arc<Hop>>,
        dead: DeadLetter,
        stage: Stage,
    ) {
        let (readers, dead, stage) = (&readers, &dead, &stage);
        let mut writer = Writer { spool: &self, stream: &*stream, readers, dead, stage, chain: Chain::default() };
        loop {
            let draining = stage.is_draining();
            if draining {
                self.lock().closed = true;
            }
            let mut batch = self.take(self.config.batch_max.get());
            match (batch.is_empty(), draining) {
                (true, true) => return,
                (true, false) => tokio::select! {
                    () = self.ready.notified() => {}
                    () = stage.draining() => {}
                },
                (false, _) => {
                    writer.write(&mut batch).await;
                    self.settle();
                }
            }
        }
    }
}

#[async_trait]
impl EventSink for Spool {
    fn submit(&self, event: SecurityEvent) {
        self.gateway.produced(1);
        let bytes = weight(&event);
        let mut pushed_out = 0;
        let mut queue = self.lock();
        if queue.closed {
            drop(queue);
            return self.gateway.dropped("closed", 1);
        }
        if self.no_room(&queue, bytes) {
            if self.config.when_full == WhenFull::FailClosed {
                drop(queue);
                return self.gateway.dropped("full", 1);
            }
            while self.no_room(&queue, bytes) && queue.pop().is_some() {
                pushed_out += 1;
            }
        }
        queue.events.push_back((bytes, event));
        queue.bytes += bytes;
        queue.submitted += 1;
        if self.exceeds(&queue, 4) {
            self.full.store(true, Ordering::Relaxed);
        }
        self.hop.produced(1);
        drop(queue);
        self.gateway.delivered(1);
        self.hop.dropped("full", pushed_out);
        self.ready.notify_one();
    }

    async fn settled(&self) {
        let patience = Duration::from_millis(self.config.answer_waits_ms);
        if patience.is_zero() {
            return;
        }
        let submitted = self.lock().submitted;
        let mut settled = self.settled.subscribe();
        let done = settled.wait_for(|settled| *settled >= submitted);
        if self.stalled.load(Ordering::Relaxed) || tokio::time::timeout(patience, done).await.is_err() {
            self.stalled.store(true, Ordering::Relaxed);
            metrics::counter!("parapet_answers_before_event_total").increment(1);
        }
    }

    fn accepting(&self) -> bool {
        self.config.when_full == WhenFull::DropOldest || !self.full.load(Ordering::Relaxed)
    }
}

struct Writer<'a> {
    spool: &'a Spool,
    stream: &'a dyn EventStream,
    /// The hops that read the stream.
    readers: &'a [Arc<Hop>],
    dead: &'a DeadLetter,
    stage: &'a Stage,
    chain: Chain,
}

impl Writer<'_> {
    async fn write(&mut self, batch: &mut [SharedEvent]) {
        match self.append(batch).await {
            Ok(()) => {}
            Err(GivenUp::Stopped) => self.bury(batch, "not written before the shutdown deadline").await,
            // One event spoils the batch, for example by its size: find it by writing one at a time.
            Err(GivenUp::Refused(_)) => {
                for event in batch {
                    let one = std::slice::from_mut(event);
                    match self.append(one).await {
                        Ok(()) => {}
                        Err(GivenUp::Stopped) => self.bury(one, "not written before the shutdown deadline").await,
                        Err(GivenUp::Refused(error)) => self.bury(one, &refused(&error)).await,
                    }
                }
            }
        }
    }

    async fn append(&mut self, batch: &mut [SharedEvent]) -> Result<(), GivenUp> {
        self.chain.link(batch);
        self.stage.insist(|| self.stream.append(batch)).await?;
        self.chain.appended(batch);
        let events = batch.len() as u64;
        self.readers.iter().for_each(|hop| hop.produced(events));
        self.spool.hop.delivered(events);
        Ok(())
    }

    async fn bury(&self, events: &[SharedEvent], reason: &str) {
        let letters = events.iter().map(|event| Letter::event(self.stage.name(), reason, event.clone())).collect();
        let kept = self.dead.bury(letters).await;
        if let Err(error) = &kept {
            tracing::error!(%error, events = events.len(), reason, "events are lost: no dead letter could be written");
        }
        self.spool.hop.dropped(if kept.is_ok() { "dead letter" } else { "lost" }, events.len() as u64);
    }
}

fn refused(error: &PortError) -> String {
    format!("the spool stream refused it: {error}")
}

/// Rough size of an event in memory: its text and a constant per part.
fn weight(event: &SecurityEvent) -> usize {
    let request = &event.request;
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    let findings: usize = event
        .findings
        .iter()
        .map(|finding| {
            let text = [&finding.message, &finding.data, &finding.variable, &finding.matched, &finding.operator];
            let tags: usize = finding.tags.iter().map(|tag| tag.len() + 24).sum();
            let scores: usize = finding.scores.iter().map(|entry| entry.score.len() + 32).sum();
            text.iter().map(|part| part.len()).sum::<usize>() + finding.file.len() + tags + scores + 256
        })
        .sum();
    512 + request.uri.len() + request.user_agent.len() + request.host.len() + headers + findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use parapet_ports::Ledger;

    fn spool(events_max: usize, when_full: WhenFull) -> (Spool, Arc<EventLedger>) {
        let ledger = Arc::new(EventLedger::new());
        let config = Config { events_max: NonZeroUsize::new(events_max).unwrap(), when_full, ..Config::default() };
        (Spool::new(config, &ledger), ledger)
    }

    fn sequences(events: &[SharedEvent]) -> Vec<u64> {
        events.iter().map(|event| event.origin.sequence).collect()
    }

    #[test]
    fn a_full_spool_drops_the_oldest_and_counts_them() {
        let (spool, ledger) = spool(4, WhenFull::DropOldest);
        for number in 1..=10 {
            spool.submit(example::event(number));
            assert!(spool.accepting());
        }
        assert_eq!(sequences(&spool.take(100)), [7, 8, 9, 10]);
        let snapshot = ledger.snapshot();
        assert_eq!((snapshot["gateway"].produced, snapshot["gateway"].delivered), (10, 10));
        assert_eq!((snapshot["spool"].produced, snapshot["spool"].dropped["full"]), (10, 6));
    }

    #[test]
    fn a_full_spool_that_fails_closed_says_so_until_there_is_room() {
        let (spool, ledger) = spool(4, WhenFull::FailClosed);
        for number in 1..=6 {
            assert_eq!(spool.accepting(), number <= 4);
            spool.submit(example::event(number));
        }
        assert_eq!(sequences(&spool.take(1)), [1]);
        assert!(!spool.accepting(), "three of four places taken is too close to full");
        assert_eq!(sequences(&spool.take(100)), [2, 3, 4]);
        assert!(spool.accepting());
        let gateway = &ledger.snapshot()["gateway"];
        assert_eq!((gateway.produced, gateway.delivered, gateway.dropped["full"]), (6, 4, 2));
    }

    #[test]
    fn the_size_of_events_counts_too() {
        let (mut spool, _) = spool(1000, WhenFull::DropOldest);
        spool.config.bytes_max = NonZeroUsize::new(10_000).unwrap();
        for number in 1..=100 {
            spool.submit(example::event(number));
        }
        let held = spool.take(1000);
        assert!(!held.is_empty() && held.len() < 20, "{} events held", held.len());
        assert_eq!(held.last().unwrap().origin.sequence, 100);
        assert_eq!(spool.lock().bytes, 0);
    }

    #[test]
    fn one_event_larger_than_the_limit_is_still_taken() {
        let (mut spool, _) = spool(1000, WhenFull::DropOldest);
        spool.config.bytes_max = NonZeroUsize::new(1).unwrap();
        spool.submit(example::event(1));
        spool.submit(example::event(2));
        assert_eq!(sequences(&spool.take(10)), [2]);
    }

    #[tokio::test]
    async fn an_answer_waits_until_its_event_is_written() {
        let (mut spool, _) = spool(10, WhenFull::DropOldest);
        spool.config.answer_waits_ms = 600_000;
        spool.settled().await;
        spool.submit(example::event(1));
        spool.submit(example::event(2));
        let mut waiting = std::pin::pin!(spool.settled());
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        assert_eq!(sequences(&spool.take(1)), [1]);
        spool.settle();
        assert!(futures::poll!(waiting.as_mut()).is_pending(), "the second event is still in the queue");
        assert_eq!(sequences(&spool.take(1)), [2]);
        spool.settle();
        waiting.await;
    }

    #[tokio::test]
    async fn a_stream_that_stalls_costs_one_wait() {
        let (mut spool, _) = spool(10, WhenFull::DropOldest);
        spool.config.answer_waits_ms = 1;
        spool.submit(example::event(1));
        spool.settled().await;
        spool.config.answer_waits_ms = 600_000;
        spool.settled().await;
        assert_eq!(spool.take(1).len(), 1);
        spool.settle();
        spool.submit(example::event(2));
        assert!(futures::poll!(std::pin::pin!(spool.settled())).is_pending(), "it works again");
    }
}
