//! The pipeline as a whole: from its parts to a running set of stages, and back down cleanly.

use crate::analytics::{self, Analytics};
use crate::classify::{self, Classifier};
use crate::dead_letter::{self, DeadLetter};
use crate::health::Health;
use crate::ledger::{EventLedger, Hop};
use crate::monitor::{self, Watched};
use crate::realtime::{self, RealTime};
use crate::router::{self, FastLane, Lane, MainLane};
use crate::severity;
use crate::sources::intake::{self, Feed, Intake};
use crate::spool::{self, Spool};
use crate::stage::{Reader, Stage};
use futures::FutureExt;
use parapet_ports::{AlertStore, Channel, EventStore, EventStream, LiveFeed, PortError};
use serde::Deserialize;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// ones. Default `parapet`.
    pub member: String,
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
            member: "parapet".into(),
        }
    }
}

/// What the pipeline is made of.
pub struct Parts {
    /// Logs of other WAFs.
    pub sources: Vec<Feed>,
    /// Where events become durable first.
    pub spool: Arc<dyn EventStream>,
    /// Stream of the real-time track.
    pub realtime: Arc<dyn EventStream>,
    /// Stream of the analytics track.
    pub analytics: Arc<dyn EventStream>,
    /// History of events.
    pub store: Arc<dyn EventStore>,
    /// Where alerts are kept.
    pub alerts: Arc<dyn AlertStore>,
    /// Where alerts are delivered.
    pub channels: Vec<Arc<dyn Channel>>,
    /// What consoles watch.
    pub live: LiveFeed,
    /// Directory of the dead letter files.
    pub directory: PathBuf,
}

/// The pipeline before it runs.
pub struct Pipeline;

impl Pipeline {
    /// Joins the consumer groups and starts all stages. Needs a tokio runtime.
    ///
    /// # Errors
    /// If a stream cannot be joined; nothing is left running then.
    pub async fn start(config: Config, parts: Parts) -> Result<Running, PortError> {
        Plan::new(config, parts).start().await
    }
}

/// The pipeline while it runs.
pub struct Running {
    spool: Arc<Spool>,
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
    /// Where the request path leaves its events.
    pub fn sink(&self) -> Arc<Spool> {
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
    abort: CancellationToken,
}

impl Plan {
    fn new(config: Config, parts: Parts) -> Self {
        let dead = DeadLetter::new(parts.directory.clone(), config.dead_letter);
        Plan {
            config,
            parts,
            ledger: Arc::new(EventLedger::new()),
            health: Arc::default(),
            dead,
            abort: CancellationToken::new(),
        }
    }

    async fn start(mut self) -> Result<Running, PortError> {
        let spool = self.stage("spool");
        // All groups are joined, and what they find is accounted for, before anything moves.
        let router = self.join("router", &self.parts.spool, router::GROUP, "router").await?;
        let fast = self.join("router:realtime", &self.parts.spool, router::FAST_GROUP, "router:realtime").await?;
        let realtime = self.join("realtime", &self.parts.realtime, realtime::GROUP, "track:realtime").await?;
        let store_group = analytics::group(self.parts.store.name());
        let analytics = self.join("analytics", &self.parts.analytics, &store_group, "track:analytics").await?;
        let watched = [&router, &fast, &realtime, &analytics].map(Seat::watched).into();

        let sink = Arc::new(Spool::new(self.config.spool, self.ledger.clone()));
        let readers = vec![router.hop.clone(), fast.hop.clone()];
        let writer = sink.clone().write_to(self.parts.spool.clone(), readers.clone(), self.dead.clone(), spool.clone());
        let stop_monitor = CancellationToken::new();
        let feeds = std::mem::take(&mut self.parts.sources);
        let stages = vec![
            self.run_sources(feeds, &readers),
            vec![(spool, tokio::spawn(writer))],
            vec![self.run_router(router), self.run_fast_lane(fast)],
            vec![self.run_realtime(realtime), self.run_analytics(analytics)],
        ];
        Ok(Running {
            spool: sink,
            ledger: self.ledger,
            health: self.health,
            stages,
            monitor: tokio::spawn(monitor::watch(watched, stop_monitor.clone())),
            stop_monitor,
            abort: self.abort,
            shutdown_timeout: Duration::from_millis(self.config.shutdown_timeout_ms.get()),
        })
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
    ) -> Result<Seat, PortError> {
        let stage = self.stage(stage);
        let hop = self.ledger.hop(hop);
        let reader = Reader::join(&stage, &**stream, group, &self.config.member, (&self.dead, &hop)).await?;
        let lag = stream.lag(group).await?;
        hop.produced(lag.unread + lag.pending);
        Ok(Seat {
            stage,
            stream: stream.clone(),
            group: group.to_owned(),
            member: self.config.member.clone(),
            hop,
            dead: self.dead.clone(),
            dropped: lag.dropped,
            reader: Some(reader),
        })
    }

    fn run_sources(&self, feeds: Vec<Feed>, readers: &[Arc<Hop>]) -> Vec<Task> {
        let intake = Intake {
            config: self.config.intake,
            stage: self.stage("sources"),
            spool: self.parts.spool.clone(),
            readers: readers.to_vec(),
            dead: self.dead.clone(),
            ledger: self.ledger.clone(),
        };
        // One instance for all sources of this start, one worker number for each.
        let instance = Ulid::generate();
        let run = |(worker, feed)| (intake.stage.clone(), tokio::spawn(intake.clone().run(feed, instance, worker)));
        (0..).zip(feeds).map(run).collect()
    }

    fn lane(&self, seat: &Seat, stream: &Arc<dyn EventStream>, track: &str) -> Lane {
        Lane {
            stage: seat.stage.clone(),
            config: self.config.router,
            classifier: Classifier::new(self.config.classification.clone(), self.config.severity.clone()),
            stream: stream.clone(),
            track: self.ledger.hop(track),
            hop: seat.hop.clone(),
            dead: self.dead.clone(),
        }
    }

    fn run_router(&self, seat: Seat) -> Task {
        let lane = self.lane(&seat, &self.parts.analytics, "track:analytics");
        let router = Arc::new(MainLane { lane, live: self.parts.live.clone(), ledger: self.ledger.clone() });
        supervised(seat, move |reader| {
            let router = router.clone();
            async move { router.run(reader).await }
        })
    }

    fn run_fast_lane(&self, seat: Seat) -> Task {
        let router = Arc::new(FastLane { lane: self.lane(&seat, &self.parts.realtime, "track:realtime") });
        supervised(seat, move |reader| {
            let router = router.clone();
            async move { router.run(reader).await }
        })
    }

    fn run_realtime(&self, seat: Seat) -> Task {
        let track = Arc::new(RealTime {
            stage: seat.stage.clone(),
            config: self.config.realtime,
            alerts: self.parts.alerts.clone(),
            events: self.parts.store.clone(),
            channels: self.parts.channels.clone(),
            live: self.parts.live.clone(),
            dead: self.dead.clone(),
            ledger: self.ledger.clone(),
            hop: seat.hop.clone(),
        });
        supervised(seat, move |reader| {
            let track = track.clone();
            async move { track.run(reader).await }
        })
    }

    fn run_analytics(&self, seat: Seat) -> Task {
        let track = Arc::new(Analytics {
            stage: seat.stage.clone(),
            config: self.config.analytics,
            store: self.parts.store.clone(),
            dead: self.dead.clone(),
            track: seat.hop.clone(),
            hop: self.ledger.hop(&format!("store:{}", self.parts.store.name())),
        });
        supervised(seat, move |reader| {
            let track = track.clone();
            async move { track.run(reader).await }
        })
    }
}

/// A running stage.
type Task = (Stage, JoinHandle<()>);

/// A place in a consumer group.
struct Seat {
    stage: Stage,
    stream: Arc<dyn EventStream>,
    group: String,
    member: String,
    hop: Arc<Hop>,
    dead: DeadLetter,
    dropped: u64,
    /// Taken by the first run of the stage.
    reader: Option<Reader>,
}

impl Seat {
    /// The reader, joining the group anew after the first time; `None` if the stage shall end.
    async fn take_reader(&mut self) -> Option<Reader> {
        if let Some(reader) = self.reader.take() {
            return Some(reader);
        }
        let join = || Reader::join(&self.stage, &*self.stream, &self.group, &self.member, (&self.dead, &self.hop));
        self.stage.insist(join).await.ok()
    }

    fn watched(&self) -> Watched {
        Watched { stream: self.stream.clone(), group: self.group.clone(), hop: self.hop.clone(), dropped: self.dropped }
    }
}

/// Pause before a stage that panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a stage until it ends. One that panics is started again: a defect in one stage, or in a
/// plugin behind it, must not end the others, nor silently end this one.
fn supervised<F, Fut>(mut seat: Seat, run: F) -> Task
where
    F: Fn(Reader) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let stage = seat.stage.clone();
    let task = tokio::spawn(async move {
        while let Some(reader) = seat.take_reader().await {
            if AssertUnwindSafe(run(reader)).catch_unwind().await.is_ok() {
                return;
            }
            metrics::counter!("parapet_stage_panics_total", "stage" => seat.stage.name()).increment(1);
            tracing::error!(stage = seat.stage.name(), "panicked; starting it again");
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = seat.stage.abort().cancelled() => return,
            }
        }
    });
    (stage, task)
}
