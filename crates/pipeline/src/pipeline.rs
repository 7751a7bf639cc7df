//! The pipeline as a whole: from its parts to a running set of stages, and back down cleanly.

use crate::analytics::{self, Analytics};
use crate::chain::Chain;
use crate::classification::Classification;
use crate::config::Config;
use crate::dead_letter::DeadLetter;
use crate::health::Health;
use crate::ledger::{EventLedger, Hop};
use crate::loss::{Outlet, Reporter};
use crate::losses::KnownLosses;
use crate::monitor::Monitor;
use crate::parts::{AnalyticsParts, IntakeParts, Parts, RealTimeParts, RouterParts};
use crate::realtime::{self, RealTime};
use crate::router::{self, FastLane, Lane, MainLane};
use crate::seat::{Appended, Membership, Seat, Task, supervised};
use crate::sources::intake::Intake;
use crate::spool::Spool;
use crate::stage::Stage;
use parapet_event::Track;
use parapet_ports::{ErrorKind, EventStream, PortError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

/// The pipeline before it runs.
pub struct Pipeline;

impl Pipeline {
    /// Joins the consumer groups and starts all stages. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the classification script is wrong, or a stream cannot be joined for another reason than that it
    /// is away; nothing is left running then. A stream that is away is joined when it comes.
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
    losses: Arc<KnownLosses>,
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
            losses: Arc::new(KnownLosses::open(&parts.directory)),
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
        let monitor = Monitor {
            groups: seats.map(Seat::watched).collect(),
            ledger: self.ledger.clone(),
            losses: self.losses.clone(),
            reporter: Reporter::new(self.outlets()),
            grace: Duration::from_secs(self.config.ledger.grace_seconds.get().into()),
        };

        let seats = router.iter().flat_map(|(main, fast)| [main, fast]);
        let counting = seats.filter(|seat| seat.membership.appended == Appended::Here);
        let readers: Vec<_> = counting.map(|seat| seat.hop.clone()).collect();
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
        let monitor = monitor.watch(stop_monitor.clone());
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
        let appended_by = Appended::to(&**spool, self.parts.intake.is_some());
        let mut main = self.join("router", spool, router::GROUP, "router", appended_by).await?;
        main.numbers = Some(self.ledger.numbers("router"));
        let fast = self.join("router:realtime", spool, router::FAST_GROUP, "router:realtime", appended_by).await?;
        Ok(Some((main, fast)))
    }

    async fn join_realtime(&self) -> Result<Option<Seat>, PortError> {
        let Some(RealTimeParts { stream, .. }) = &self.parts.realtime else { return Ok(None) };
        let appended_by = Appended::to(&**stream, self.parts.router.is_some());
        let mut seat = self.join("realtime", stream, realtime::GROUP, "track:realtime", appended_by).await?;
        seat.numbers = Some(self.ledger.numbers("track:realtime"));
        Ok(Some(seat))
    }

    async fn join_analytics(&self) -> Result<Option<Seat>, PortError> {
        let Some(AnalyticsParts { stream, store, .. }) = &self.parts.analytics else { return Ok(None) };
        let group = analytics::group(store.name());
        let appended_by = Appended::to(&**stream, self.parts.router.is_some());
        let mut seat = self.join("analytics", stream, &group, "track:analytics", appended_by).await?;
        seat.numbers = Some(self.ledger.numbers("track:analytics"));
        Ok(Some(seat))
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
        let joined = async { Ok::<_, PortError>((membership.join().await?, stream.lag(group).await?)) };
        let (reader, lag) = match joined.await {
            Ok((reader, lag)) => (Some(reader), Some(lag)),
            // The stage joins when the stream comes; until then its problem shows.
            Err(error) if error.is_transient() => {
                stage.fails(&error);
                (None, None)
            }
            Err(error) => return Err(error),
        };
        // What was dropped while this process did not run is found by the monitor.
        let dropped = self.losses.of(stream.name(), group).or(lag.map(|lag| lag.dropped));
        if let Some(lag) = lag.filter(|_| appended == Appended::Here) {
            hop.produced(lag.unread + lag.pending + lag.dropped.saturating_sub(dropped.unwrap_or(0)));
        }
        Ok(Seat { stage, membership, hop, dropped, numbers: None, reader })
    }

    fn run_spool(&self, intake: &IntakeParts, readers: &[Arc<Hop>]) -> (Arc<Spool>, Task) {
        let stage = self.stage("spool");
        let sink = Arc::new(Spool::new(self.config.spool, &self.ledger));
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

    /// The hop that reads a track, if whoever appends to it has to count that.
    fn track(&self, track: Track) -> Option<Arc<Hop>> {
        let stream = match track {
            Track::RealTime => self.parts.realtime.as_ref().map(|parts| &parts.stream),
            Track::Analytics => self.parts.analytics.as_ref().map(|parts| &parts.stream),
        };
        let appended = Appended::to(&**stream?, self.parts.router.is_some());
        (appended == Appended::Here).then(|| self.ledger.hop(&format!("track:{}", track.as_str())))
    }

    /// Where losses are reported: the tracks that this process has to do with.
    fn outlets(&self) -> Vec<Outlet> {
        let Parts { router, realtime, analytics, .. } = &self.parts;
        let routed = |of: fn(&RouterParts) -> &Arc<dyn EventStream>| router.as_ref().map(of).cloned();
        let realtime = realtime.as_ref().map(|parts| parts.stream.clone());
        let reports = analytics.as_ref().and_then(|parts| parts.reports.clone());
        let analytics = analytics.as_ref().map(|parts| parts.stream.clone());
        let realtime = routed(|router| &router.realtime).or(realtime).or(reports);
        let analytics = routed(|router| &router.analytics).or(analytics);
        [(realtime, Track::RealTime), (analytics, Track::Analytics)]
            .into_iter()
            .filter_map(|(stream, track)| Some(Outlet::new(stream?, self.track(track))))
            .collect()
    }

    fn lane(&self, seat: &Seat, stream: &Arc<dyn EventStream>, track: Track) -> Lane {
        Lane {
            stage: seat.stage.clone(),
            config: self.config.router,
            classifier: Mutex::new(self.classification.judge()),
            stream: stream.clone(),
            track: self.track(track),
            hop: seat.hop.clone(),
            dead: self.dead.clone(),
            chain: tokio::sync::Mutex::new(Chain::default()),
        }
    }

    fn run_router(&self, seat: Seat) -> Option<Task> {
        let lane = self.lane(&seat, &self.parts.router.as_ref()?.analytics, Track::Analytics);
        let numbers = self.ledger.numbers("router");
        let router = Arc::new(MainLane { lane, live: self.parts.live.clone(), numbers });
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
            state: parts.state,
            live: self.parts.live.clone(),
            dead: self.dead.clone(),
            ledger: self.ledger.clone(),
            hop: seat.hop.clone(),
            numbers: self.ledger.numbers("track:realtime"),
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
            numbers: self.ledger.numbers("track:analytics"),
        });
        Some(supervised(seat, move |reader| {
            let track = track.clone();
            async move { track.run(reader).await }
        }))
    }
}
