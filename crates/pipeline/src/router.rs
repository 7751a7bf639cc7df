//! Router: validates, scores and classifies every event and puts it on its tracks.
//!
//! It reads the spool as consumer group `router`, appends every valid event to the analytics stream
//! and real-time ones to the real-time stream as well (that one first: it is the one that hurries),
//! and acknowledges only when both are durable. Invalid events go to the dead letter file.
//!
//! **Redelivery.** Acknowledging and appending are separate calls, so a crash between them makes the
//! next process route the same entries again; stores and alerts recognise the event id. Within one
//! process a batch is retried until it is through, so nothing is appended twice.

use crate::classify::Classifier;
use crate::dead_letter::{DeadLetter, Letter};
use crate::ledger::{EventLedger, Hop};
use crate::stage::{GivenUp, Reader, Stage, Stopped};
use crate::validate::validate;
use chrono::Utc;
use parapet_event::{SecurityEvent, Track};
use parapet_ports::live::LiveMessage;
use parapet_ports::{Entry, EventStream, LiveFeed};
use serde::Deserialize;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// How the router reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events routed at once at most. Default 512.
    pub batch_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Config { batch_max: const { NonZeroUsize::new(512).expect("not zero") } }
    }
}

/// Consumer group of the router on the spool stream.
pub const GROUP: &str = "router";
const WAIT: Duration = Duration::from_secs(1);

/// One track as the router sees it.
pub(crate) struct Destination {
    pub(crate) stream: Arc<dyn EventStream>,
    pub(crate) hop: Arc<Hop>,
}

/// Everything the router works with.
pub(crate) struct Router {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    pub(crate) classifier: Classifier,
    pub(crate) realtime: Destination,
    pub(crate) analytics: Destination,
    pub(crate) live: LiveFeed,
    pub(crate) dead: DeadLetter,
    pub(crate) ledger: Arc<EventLedger>,
    pub(crate) hop: Arc<Hop>,
}

impl Router {
    /// Routes until told to stop.
    pub(crate) async fn run(&self, mut reader: Reader) {
        while let Some(entries) = reader.next(self.config.batch_max.get(), WAIT).await {
            if !entries.is_empty() && self.route(&mut reader, entries).await.is_err() {
                return;
            }
        }
    }

    async fn route(&self, reader: &mut Reader, entries: Vec<Entry>) -> Result<(), Stopped> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let mut batch = self.sort_out(entries);
        self.bury(std::mem::take(&mut batch.letters)).await?;
        self.deliver(&self.realtime, &batch.realtime, &mut batch.outcome).await?;
        let routed = self.deliver(&self.analytics, &batch.all, &mut batch.outcome).await?;
        reader.acknowledge(&ids).await?;
        self.hop.delivered(routed);
        for (reason, events) in batch.outcome.dropped {
            self.hop.dropped(reason, events);
        }
        for event in batch.all {
            self.live.publish(LiveMessage::Event(event));
        }
        Ok(())
    }

    /// Validates, scores and classifies a batch; no I/O.
    fn sort_out(&self, entries: Vec<Entry>) -> Batch {
        let now = Utc::now();
        let mut batch = Batch::default();
        for entry in entries {
            self.ledger.saw(&entry.event.origin);
            if let Err(invalid) = validate(&entry.event, now) {
                batch.outcome.drop_one(invalid.reason());
                batch.letters.push(Letter::event(self.stage.name(), invalid.to_string(), entry.event));
                continue;
            }
            let event = Arc::new(self.stamp(entry.event));
            if event.track == Some(Track::RealTime) {
                batch.realtime.push(event.clone());
            }
            batch.all.push(event);
        }
        batch
    }

    fn stamp(&self, event: Arc<SecurityEvent>) -> SecurityEvent {
        let verdict = self.classifier.classify(&event);
        metrics::counter!("parapet_events_total", "track" => verdict.track.as_str(), "severity" => verdict.severity.band().as_str(), "action" => event.action.as_str())
            .increment(1);
        let mut event = Arc::unwrap_or_clone(event);
        event.severity = verdict.severity;
        event.track = Some(verdict.track);
        event.track_reason = Some(verdict.reason);
        event
    }

    /// Appends to a track; events that the stream refuses for good become dead letters. Returns how
    /// many were appended.
    async fn deliver(
        &self,
        to: &Destination,
        events: &[Arc<SecurityEvent>],
        outcome: &mut Outcome,
    ) -> Result<u64, Stopped> {
        if events.is_empty() {
            return Ok(0);
        }
        match self.append(to, events).await {
            Ok(()) => return Ok(events.len() as u64),
            Err(GivenUp::Stopped) => return Err(Stopped),
            Err(GivenUp::Refused(_)) => {}
        }
        let mut appended = 0;
        for event in events {
            match self.append(to, std::slice::from_ref(event)).await {
                Ok(()) => appended += 1,
                Err(GivenUp::Stopped) => return Err(Stopped),
                Err(GivenUp::Refused(error)) => {
                    let reason = format!("stream {} refused it: {error}", to.stream.name());
                    self.bury(vec![Letter::event(self.stage.name(), reason, event.clone())]).await?;
                    if Arc::ptr_eq(&to.stream, &self.analytics.stream) {
                        outcome.drop_one("refused");
                    }
                }
            }
        }
        Ok(appended)
    }

    async fn append(&self, to: &Destination, events: &[Arc<SecurityEvent>]) -> Result<(), GivenUp> {
        self.stage.insist(|| to.stream.append(events)).await?;
        to.hop.produced(events.len() as u64);
        Ok(())
    }

    async fn bury(&self, letters: Vec<Letter>) -> Result<(), Stopped> {
        self.stage.insist(|| self.dead.bury(letters.clone())).await.map_err(|_| Stopped)
    }
}

/// A batch sorted out.
#[derive(Default)]
struct Batch {
    all: Vec<Arc<SecurityEvent>>,
    realtime: Vec<Arc<SecurityEvent>>,
    letters: Vec<Letter>,
    outcome: Outcome,
}

/// What to count when the batch is acknowledged.
#[derive(Default)]
struct Outcome {
    dropped: Vec<(&'static str, u64)>,
}

impl Outcome {
    fn drop_one(&mut self, reason: &'static str) {
        match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, events)) => *events += 1,
            None => self.dropped.push((reason, 1)),
        }
    }
}
