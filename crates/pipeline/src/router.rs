//! Router: validates, scores and classifies every event and puts it on its tracks.
//!
//! It reads the spool twice, as two consumer groups that share nothing:
//!
//! - `router` is the main lane: it appends every valid event to the analytics stream, sends invalid
//!   ones to the dead letter file, watches for gaps and feeds the consoles.
//! - `router:realtime` is the fast lane: it appends real-time events to the real-time stream and
//!   passes over all others.
//!
//! Each acknowledges an entry when its own append is durable, and the spool keeps an entry until both
//! have: so an event is safe on all its tracks before it is forgotten, and yet a stream that is away
//! or full holds up its own track only. Events are scored twice for this, which costs about a
//! microsecond each.
//!
//! **Redelivery.** Acknowledging and appending are separate calls, so a crash between them makes the
//! next process route the same entries again; stores and alerts recognise the event id. Within one
//! process a batch is retried until it is through, so nothing is appended twice.

use crate::chain::Chain;
use crate::classification::Judge;
use crate::classify::Verdict;
use crate::dead_letter::{DeadLetter, Letter};
use crate::ledger::{Hop, Numbers};
use crate::stage::{GivenUp, Reader, Stage, Stopped};
use crate::validate::validate;
use chrono::Utc;
use parapet_event::{SecurityEvent, Track};
use parapet_ports::live::LiveMessage;
use parapet_ports::{Entry, EventStream, LiveFeed, SharedEvent};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How the router reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events routed at once at most. Default 2,048.
    pub batch_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Config { batch_max: const { NonZeroUsize::new(2048).expect("not zero") } }
    }
}

/// Consumer group of the main lane on the spool stream.
pub const GROUP: &str = "router";
/// Consumer group of the fast lane on the spool stream.
pub const FAST_GROUP: &str = "router:realtime";
const WAIT: Duration = Duration::from_secs(1);

/// What both lanes work with.
pub(crate) struct Lane {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    pub(crate) classifier: Mutex<Judge>,
    /// The lane's track.
    pub(crate) stream: Arc<dyn EventStream>,
    /// The hop that reads it, if that is in this process.
    pub(crate) track: Option<Arc<Hop>>,
    pub(crate) hop: Arc<Hop>,
    pub(crate) dead: DeadLetter,
    /// Of the events on the lane's track. Held by the lane's one task while it appends.
    pub(crate) chain: tokio::sync::Mutex<Chain>,
}

/// Events given up, by reason; counted when the batch is acknowledged.
type Dropped = BTreeMap<&'static str, u64>;

impl Lane {
    /// The lane's classifier as of now, for one batch.
    fn classifier(&self) -> MutexGuard<'_, Judge> {
        let mut judge = self.classifier.lock().unwrap_or_else(PoisonError::into_inner);
        judge.refresh();
        judge
    }

    async fn next(&self, reader: &mut Reader) -> Option<Vec<Entry>> {
        reader.next(self.config.batch_max.get(), WAIT).await
    }

    /// Appends to the track. Events that the stream refuses for good become dead letters.
    async fn append(&self, events: &mut [SharedEvent], dropped: &mut Dropped) -> Result<(), Stopped> {
        if events.is_empty() {
            return Ok(());
        }
        match self.try_append(events).await {
            Ok(()) => return Ok(()),
            Err(GivenUp::Stopped) => return Err(Stopped),
            // One event spoils the batch, for example by its size: find it by appending one at a time.
            Err(GivenUp::Refused(_)) => {}
        }
        for event in events {
            match self.try_append(std::slice::from_mut(event)).await {
                Ok(()) => {}
                Err(GivenUp::Stopped) => return Err(Stopped),
                Err(GivenUp::Refused(error)) => {
                    let reason = format!("stream {} refused it: {error}", self.stream.name());
                    self.bury(vec![Letter::event(self.stage.name(), reason, event.clone())]).await?;
                    *dropped.entry("refused by the stream").or_default() += 1;
                }
            }
        }
        Ok(())
    }

    async fn try_append(&self, events: &mut [SharedEvent]) -> Result<(), GivenUp> {
        let mut chain = self.chain.lock().await;
        chain.link(events);
        self.stage.insist(|| self.stream.append(events)).await?;
        chain.appended(events);
        if let Some(track) = &self.track {
            track.produced(events.len() as u64);
        }
        Ok(())
    }

    async fn bury(&self, letters: Vec<Letter>) -> Result<(), Stopped> {
        self.stage.insist(|| self.dead.bury(letters.clone())).await.map_err(|_| Stopped)
    }

    async fn acknowledge(&self, reader: &mut Reader, entries: &[Entry], dropped: Dropped) -> Result<(), Stopped> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        reader.acknowledge(&ids).await?;
        self.hop.delivered(ids.len() as u64 - dropped.values().sum::<u64>());
        for (reason, events) in dropped {
            self.hop.dropped(reason, events);
        }
        Ok(())
    }
}

fn stamp(event: &SecurityEvent, verdict: Verdict) -> SharedEvent {
    let mut event = event.clone();
    event.severity = verdict.severity;
    event.track = Some(verdict.track);
    event.track_reason = Some(verdict.reason);
    SharedEvent::new(event)
}

/// The lane of the real-time track.
pub(crate) struct FastLane {
    pub(crate) lane: Lane,
}

impl FastLane {
    /// Routes until told to stop.
    pub(crate) async fn run(&self, mut reader: Reader) {
        while let Some(entries) = self.lane.next(&mut reader).await {
            if !entries.is_empty() && self.route(&mut reader, &entries).await.is_err() {
                return;
            }
        }
    }

    async fn route(&self, reader: &mut Reader, entries: &[Entry]) -> Result<(), Stopped> {
        let mut urgent = self.urgent(entries);
        let mut dropped = Dropped::new();
        self.lane.append(&mut urgent, &mut dropped).await?;
        self.lane.acknowledge(reader, entries, dropped).await
    }
}

impl FastLane {
    /// The events of a batch that are real-time; no I/O.
    fn urgent(&self, entries: &[Entry]) -> Vec<SharedEvent> {
        let now = Utc::now();
        let mut classifier = self.lane.classifier();
        let valid = entries.iter().filter(|entry| validate(&entry.event, now).is_ok());
        valid
            .filter_map(|entry| {
                let verdict = classifier.classify(&entry.event);
                (verdict.track == Track::RealTime).then(|| stamp(&entry.event, verdict))
            })
            .collect()
    }
}

/// The lane of the analytics track, which every event takes.
pub(crate) struct MainLane {
    pub(crate) lane: Lane,
    pub(crate) live: LiveFeed,
    /// What the router saw of the producers' numbers.
    pub(crate) numbers: Arc<Numbers>,
}

impl MainLane {
    /// Routes until told to stop.
    pub(crate) async fn run(&self, mut reader: Reader) {
        while let Some(entries) = self.lane.next(&mut reader).await {
            if !entries.is_empty() && self.route(&mut reader, &entries).await.is_err() {
                return;
            }
        }
    }

    async fn route(&self, reader: &mut Reader, entries: &[Entry]) -> Result<(), Stopped> {
        let mut dropped = Dropped::new();
        let (mut events, letters) = self.sort_out(entries, &mut dropped);
        if !letters.is_empty() {
            self.lane.bury(letters).await?;
        }
        self.lane.append(&mut events, &mut dropped).await?;
        self.lane.acknowledge(reader, entries, dropped).await?;
        for event in events {
            self.live.publish(LiveMessage::Event(event));
        }
        Ok(())
    }

    /// Validates, scores and classifies a batch; no I/O.
    fn sort_out(&self, entries: &[Entry], dropped: &mut Dropped) -> (Vec<SharedEvent>, Vec<Letter>) {
        let now = Utc::now();
        self.numbers.saw(entries.iter().map(|entry| &*entry.event));
        let mut classifier = self.lane.classifier();
        let (mut events, mut letters) = (Vec::with_capacity(entries.len()), Vec::new());
        for Entry { event, .. } in entries {
            match validate(event, now) {
                Ok(()) => {
                    let verdict = classifier.classify(event);
                    count(event, &verdict);
                    events.push(stamp(event, verdict));
                }
                Err(invalid) => {
                    *dropped.entry(invalid.reason()).or_default() += 1;
                    letters.push(Letter::event(self.lane.stage.name(), invalid.to_string(), event.clone()));
                }
            }
        }
        (events, letters)
    }
}

fn count(event: &SecurityEvent, verdict: &Verdict) {
    let labels = [
        ("track", verdict.track.as_str()),
        ("severity", verdict.severity.band().as_str()),
        ("action", event.action.as_str()),
    ];
    metrics::counter!("parapet_events_total", &labels).increment(1);
}
