//! The pipeline as a whole: from its parts to a running set of stages, and back down cleanly.

use crate::analytics::{self, Analytics};
use crate::classification::Classification;
use crate::classify;
use crate::dead_letter::{self, DeadLetter};
use crate::health::Health;
use crate::ledger::{EventLedger, Hop};
use crate::monitor;
use crate::parts::{AnalyticsParts, IntakeParts, Parts, RealTimeParts, RouterParts};
use crate::realtime::{self, RealTime};
use crate::router::{self, FastLane, Lane, MainLane};
use crate::seat::{Appended, Membership, Seat, Task, supervised};
use crate::severity;
use crate::sources::intake::{self, Intake};
use crate::spool::{self, Spool};
use crate::stage::Stage;
use parapet_event::Track;
use parapet_ports::{ErrorKind, EventStream, PortError};
use serde::Deserialize;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

/// Configuration of the pipeline. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Hand-off from the request path.
    pub spool: spool::Config,
    /// How the logs of other WAFs are taken in.
    pub intake: intake::Config,
    /// How severity is computed.
    pub severity: severity::Config,
    /// Which events are real-time.
    pub classification: classify::Config,
    /// How the router reads.
    pub router: router::Config,
    /// When alerts are raised and how they are delivered.
    pub realtime: realtime::Config,
    /// How events are batched into the store.
    pub analytics: analytics::Config,
    /// Limits of the dead letter files.
    pub dead_letter: dead_letter::Config,
    /// Milliseconds that a shutdown waits for the pipeline to run empty. Default 10,000. What is left
    /// then stays in its stream for the next start.
    pub shutdown_timeout_ms: NonZeroU64,
    /// Name of this process in the consumer groups; processes that share streams need different
    /// ones, and a restarted one the same again. Default: whatever starts the pipeline sets, else
    /// `parapet`.
    pub member: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            spool: spool::Config::default(),
            intake: intake::Config::default(),
            severity: severity::Config::default(),
            classification: classify::Config::default(),
            router: router::Config::default(),
            realtime: realtime::Config::default(),
            analytics: analytics::Config::default(),
            dead_letter: dead_letter::Config::default(),
            shutdown_timeout_ms: const { NonZeroU64::new(10_000).expect("not zero") },
            member: None,
        }
    }
}

/// The pipeline before it runs.
pub struct Pipeline;

impl Pipeline {
    /// Joins the consumer groups and starts all stages. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the classification script is wrong or a stream cannot be joined; nothing is left running then.
    pub async fn start(config: Config, parts: Parts) -> Result<Running, PortError> {
        Plan::new(config, parts)?.start().await
    }
}

/// The pipeline while it runs.
pub struct Running {
    spool: Option<Arc<Spool>>,
    ledger: Arc<EventLedger>,
    health: Arc<Health>,
    /// In the order of the story: each is drained when the one before it has ended.
    stages: Vec<Vec<Task>>,
    monitor: JoinHandle<()>,
    stop_monitor: CancellationToken,
    abort: CancellationToken,
    shutdown_timeout: Duration,
}

impl Running {
    /// Where the request path leaves its events, if this process takes events in.
    pub fn sink(&self) -> Option<Arc<Spool>> {
        self.spool.clone()
    }

    /// The account of every event.
    pub fn ledger(&self) -> Arc<EventLedger> {
        self.ledger.clone()
    }

    /// What is wrong right now.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Stops taking events and lets the pipeline run empty, stage by stage: what was submitted is
    /// routed, stored, alerted on and delivered. What does not make it by the shutdown timeout stays
    /// in its stream, or pending on its alert, for the next start; what is not durable yet goes to
    /// the dead letter file. Returns whether everything made it.
    pub async fn shutdown(self) -> bool {
        let mut drained = true;
        let abort = self.abort.clone();
        let deadline = self.shutdown_timeout;
        let timer = tokio::spawn(async move {
            tokio::time::sleep(deadline).await;
            abort.cancel();
        });
        for stages in self.stages {
            stages.iter().for_each(|(stage, _)| stage.drain());
            for (stage, task) in stages {
                if task.await.is_err() {
                    tracing::error!(stage = stage.name(), "ended by a panic");
                    drained = false;
                }
            }
        }
        timer.abort();
        self.stop_monitor.cancel();
        // Streams are local or their calls are bounded by their client; the monitor only reads.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.monitor).await;
        let drained = drained && !self.abort.is_cancelled();
        if !drained {
            tracing::warn!("shut down before the pipeline ran empty; the rest is taken up at the next start");
        }
        drained
    }
}

/// Parts with everything that stages share.
struct Plan {
    config: Config,
    parts: Parts,
    ledger: Arc<EventLedger>,
    health: Arc<Health>,
    dead: DeadLetter,
    classification: Arc<Classification>,
    abort: CancellationToken,
}

impl Plan {
    fn new(config: Config, parts: Parts) -> Result<Self, PortError> {
        let dead = DeadLetter::new(parts.directory.clone(), config.dead_letter);
        let mut classification = config.classification.clone();
        // Only a router classifies: other processes neither need the script nor look at it.
        classification.script = classification.script.filter(|_| parts.router.is_some());
        let classification = Classification::open(classification, config.severity.clone())
            .map_err(|error| PortError::new(ErrorKind::Config, error.to_string()))?;
        Ok(Plan {
            config,
            parts,
            classification,
            ledger: Arc::new(EventLedger::new()),
            health: Arc::default(),
            dead,
            abort: CancellationToken::new(),
        })
    }

    async fn start(mut self) -> Result<Running, PortError> {
        // All groups are joined, and what they find is accounted for, before anything moves.
        let router = self.join_router().await?;
        let realtime = self.join_realtime().await?;
        let analytics = self.join_analytics().await?;
        let seats = router.iter().flat_map(|(main, fast)| [main, fast]).chain(&realtime).chain(&analytics);
        let watched = seats.map(Seat::watched).collect();

        let readers: Vec<_> = router.iter().flat_map(|(main, fast)| [main.hop.clone(), fast.hop.clone()]).collect();
        let intake = self.parts.intake.take();
        let (sink, writer) = intake.as_ref().map(|intake| self.run_spool(intake, &readers)).unzip();
        let (main, fast) = router.unzip();
        let stages = vec![
            intake.map(|intake| self.run_sources(intake, &readers)).unwrap_or_default(),
            writer.into_iter().collect(),
            [main.and_then(|seat| self.run_router(seat)), fast.and_then(|seat| self.run_fast_lane(seat))]
                .into_iter()
                .flatten()
                .collect(),
            [realtime.and_then(|seat| self.run_realtime(seat)), analytics.and_then(|seat| self.run_analytics(seat))]
                .into_iter()
                .flatten()
                .collect(),
        ];
        let stop_monitor = CancellationToken::new();
        let script = self.classification.watch(self.health.clone(), stop_monitor.clone());
        let monitor = monitor::watch(watched, stop_monitor.clone());
        Ok(Running {
            spool: sink,
            ledger: self.ledger,
            health: self.health,
            stages,
            monitor: tokio::spawn(async move {
                tokio::join!(monitor, script);
            }),
            stop_monitor,
            abort: self.abort,
            shutdown_timeout: Duration::from_millis(self.config.shutdown_timeout_ms.get()),
        })
    }

    async fn join_router(&self) -> Result<Option<(Seat, Seat)>, PortError> {
        let Some(RouterParts { spool, .. }) = &self.parts.router else { return Ok(None) };
        let appended_by = Appended::by_stage(self.parts.intake.is_some());
        let main = self.join("router", spool, router::GROUP, "router", appended_by).await?;
        let fast = self.join("router:realtime", spool, router::FAST_GROUP, "router:realtime", appended_by).await?;
        Ok(Some((main, fast)))
    }

    async fn join_realtime(&self) -> Result<Option<Seat>, PortError> {
        let Some(RealTimeParts { stream, .. }) = &self.parts.realtime else { return Ok(None) };
        let appended_by = Appended::by_stage(self.parts.router.is_some());
        self.join("realtime", stream, realtime::GROUP, "track:realtime", appended_by).await.map(Some)
    }

    async fn join_analytics(&self) -> Result<Option<Seat>, PortError> {
        let Some(AnalyticsParts { stream, store }) = &self.parts.analytics else { return Ok(None) };
        let group = analytics::group(store.name());
        let appended_by = Appended::by_stage(self.parts.router.is_some());
        self.join("analytics", stream, &group, "track:analytics", appended_by).await.map(Some)
    }

    fn stage(&self, name: &'static str) -> Stage {
        Stage::new(name, self.health.clone(), self.abort.clone())
    }

    /// A stage with a seat in its consumer group.
    async fn join(
        &self,
        stage: &'static str,
        stream: &Arc<dyn EventStream>,
        group: &str,
        hop: &str,
        appended: Appended,
    ) -> Result<Seat, PortError> {
        let stage = self.stage(stage);
        let hop = self.ledger.hop(hop);
        let membership = Membership {
            stage: stage.clone(),
            stream: stream.clone(),
            group: group.to_owned(),
            member: self.config.member.clone().unwrap_or_else(|| "parapet".to_owned()),
            dead: self.dead.clone(),
            hop: hop.clone(),
            appended,
        };
        let reader = membership.join().await?;
        let lag = stream.lag(group).await?;
        if appended == Appended::Here {
            hop.produced(lag.unread + lag.pending);
        }
        Ok(Seat { stage, membership, hop, dropped: lag.dropped, reader: Some(reader) })
    }

    fn run_spool(&self, intake: &IntakeParts, readers: &[Arc<Hop>]) -> (Arc<Spool>, Task) {
        let stage = self.stage("spool");
        let sink = Arc::new(Spool::new(self.config.spool, self.ledger.clone()));
        let writer = sink.clone().write_to(intake.spool.clone(), readers.to_vec(), self.dead.clone(), stage.clone());
        (sink, (stage, tokio::spawn(writer)))
    }

    fn run_sources(&self, parts: IntakeParts, readers: &[Arc<Hop>]) -> Vec<Task> {
        let intake = Intake {
            config: self.config.intake,
            stage: self.stage("sources"),
            spool: parts.spool,
            readers: readers.to_vec(),
            dead: self.dead.clone(),
            ledger: self.ledger.clone(),
        };
        // One instance for all sources of this start, one worker number for each.
        let instance = Ulid::generate();
        let run = |(worker, feed)| (intake.stage.clone(), tokio::spawn(intake.clone().run(feed, instance, worker)));
        (0..).zip(parts.sources).map(run).collect()
    }

    fn lane(&self, seat: &Seat, stream: &Arc<dyn EventStream>, track: Track) -> Lane {
        let read_here = match track {
            Track::RealTime => self.parts.realtime.is_some(),
            Track::Analytics => self.parts.analytics.is_some(),
        };
        Lane {
            stage: seat.stage.clone(),
            config: self.config.router,
            classifier: Mutex::new(self.classification.judge()),
            stream: stream.clone(),
            track: read_here.then(|| self.ledger.hop(&format!("track:{}", track.as_str()))),
            hop: seat.hop.clone(),
            dead: self.dead.clone(),
        }
    }

    fn run_router(&self, seat: Seat) -> Option<Task> {
        let lane = self.lane(&seat, &self.parts.router.as_ref()?.analytics, Track::Analytics);
        let router = Arc::new(MainLane { lane, live: self.parts.live.clone(), ledger: self.ledger.clone() });
        Some(supervised(seat, move |reader| {
            let router = router.clone();
            async move { router.run(reader).await }
        }))
    }

    fn run_fast_lane(&self, seat: Seat) -> Option<Task> {
        let lane = self.lane(&seat, &self.parts.router.as_ref()?.realtime, Track::RealTime);
        let router = Arc::new(FastLane { lane });
        Some(supervised(seat, move |reader| {
            let router = router.clone();
            async move { router.run(reader).await }
        }))
    }

    fn run_realtime(&self, seat: Seat) -> Option<Task> {
        let parts = self.parts.realtime.clone()?;
        let track = Arc::new(RealTime {
            stage: seat.stage.clone(),
            config: self.config.realtime,
            alerts: parts.alerts,
            events: parts.events,
            channels: parts.channels,
            live: self.parts.live.clone(),
            dead: self.dead.clone(),
            ledger: self.ledger.clone(),
            hop: seat.hop.clone(),
        });
        Some(supervised(seat, move |reader| {
            let track = track.clone();
            async move { track.run(reader).await }
        }))
    }

    fn run_analytics(&self, seat: Seat) -> Option<Task> {
        let store = self.parts.analytics.as_ref()?.store.clone();
        let track = Arc::new(Analytics {
            stage: seat.stage.clone(),
            config: self.config.analytics,
            hop: self.ledger.hop(&format!("store:{}", store.name())),
            store,
            dead: self.dead.clone(),
            track: seat.hop.clone(),
        });
        Some(supervised(seat, move |reader| {
            let track = track.clone();
            async move { track.run(reader).await }
        }))
    }
}
