//! Real-time track: turns severe events into alerts within a second and hands them to the channels.
//!
//! It reads the real-time stream as consumer group `alerts`. An event of severity ≥ `alert_severity`
//! counts onto the open alert of its (site, client, class), or raises a new one. The alert is stored,
//! then queued for its channels (each with its own lane, see [`crate::delivery`]), then the entry is
//! acknowledged. Outcomes of deliveries come back here, so that one task owns all changes to alerts
//! except triage, which belongs to the analyst.
//!
//! **Several processes** that read the stream agree through the shared state which of them has the alert
//! of a burst ([`crate::claims`]).
//!
//! **After a restart** alerts of the dedup window are open again, and deliveries that are still
//! pending are taken up again. Counting onto an alert is at least once: a crash between storing the
//! count and acknowledging the entry counts that event twice.

use crate::alert::{OpenAlerts, raise};
use crate::claims::{Claim, Claims};
use crate::dead_letter::{DeadLetter, Letter};
use crate::delivery::{self, Dispatcher, Report};
use crate::ledger::{EventLedger, Hop, Numbers};
use crate::resume::{self, Resumed};
use crate::stage::{GivenUp, Reader, Stage, Stopped};
use chrono::{DateTime, TimeDelta, Utc};
use metrics::Histogram;
use parapet_event::{Alert, AlertState, Delivery, SecurityEvent};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::live::LiveMessage;
use parapet_ports::{AlertStore, Channel, Entry, EventStore, LiveFeed, SharedEvent, State};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use ulid::Ulid;

/// When alerts are raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Severity from which an event raises an alert. Default 80.
    pub alert_severity: u8,
    /// Seconds in which events of the same site, client and class count onto one alert, from the
    /// event that raised it. Default 300.
    pub dedup_window_seconds: NonZeroU32,
    /// Alerts kept open for counting at most; beyond that the oldest is forgotten. Default 16,384.
    pub open_alerts_max: NonZeroUsize,
    /// Events processed at once at most. Default 2,048.
    pub batch_max: NonZeroUsize,
    /// Pending deliveries of alerts older than this many seconds are not taken up after a restart.
    /// Default 3,600.
    pub resume_window_seconds: NonZeroU32,
    /// Attempts, timeout and queue of each channel.
    pub delivery: delivery::Config,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            alert_severity: 80,
            dedup_window_seconds: const { NonZeroU32::new(300).expect("not zero") },
            open_alerts_max: const { NonZeroUsize::new(16_384).expect("not zero") },
            batch_max: const { NonZeroUsize::new(2048).expect("not zero") },
            resume_window_seconds: const { NonZeroU32::new(3600).expect("not zero") },
            delivery: delivery::Config::default(),
        }
    }
}

/// Consumer group on the real-time stream.
pub const GROUP: &str = "alerts";
const WAIT: Duration = Duration::from_secs(1);
/// Outcomes of deliveries that wait to be recorded; a lane waits when there are more.
const REPORTS_MAX: usize = 1024;
/// Alerts asked for at once at the start.
const PAGE: usize = 1000;
/// How often it is asked what other processes counted onto the alerts of this one.
const COLLECT_EVERY: Duration = Duration::from_secs(2);

/// Everything the track works with.
pub(crate) struct RealTime {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    pub(crate) alerts: Arc<dyn AlertStore>,
    /// To find the event of an alert whose delivery an earlier process did not finish.
    pub(crate) events: Option<Arc<dyn EventStore>>,
    pub(crate) channels: Vec<Arc<dyn Channel>>,
    /// What the processes share that read the track, if there can be several.
    pub(crate) state: Option<Arc<dyn State>>,
    pub(crate) live: LiveFeed,
    pub(crate) dead: DeadLetter,
    pub(crate) ledger: Arc<EventLedger>,
    pub(crate) hop: Arc<Hop>,
    /// What the track saw of the producers' numbers.
    pub(crate) numbers: Arc<Numbers>,
}

impl RealTime {
    /// Processes until told to stop, then lets the channels finish.
    pub(crate) async fn run(&self, mut reader: Reader) {
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let dispatcher =
            Dispatcher::start(&self.channels, self.config.delivery, &self.ledger, &sender, self.stage.abort());
        drop(sender);
        let window = TimeDelta::seconds(self.config.dedup_window_seconds.get().into());
        let open = OpenAlerts::new(window, self.config.open_alerts_max.get());
        let claims = Claims::new(self.state.clone(), window.to_std().unwrap_or_default());
        // Whether it ends drained or aborted, what is unfinished is pending in a store or a stream.
        let waited = metrics::histogram!("parapet_event_to_decision_seconds");
        let _ = Desk { track: self, open, claims, dispatcher, waited }.work(&mut reader, reports).await;
    }
}

/// The one place where alerts change.
struct Desk<'a> {
    track: &'a RealTime,
    open: OpenAlerts,
    claims: Claims,
    dispatcher: Dispatcher,
    /// How long events of the track, also those that raise no alert, were under way until here.
    waited: Histogram,
}

/// What a batch did to alerts.
#[derive(Default)]
struct Changes {
    /// Alerts to store, in the order in which they were raised.
    alerts: BTreeSet<Ulid>,
    /// Of those, the new ones and their events.
    raised: Vec<(Ulid, SharedEvent)>,
}

impl Desk<'_> {
    async fn work(&mut self, reader: &mut Reader, mut reports: mpsc::Receiver<Report>) -> Result<(), Stopped> {
        let unfinished = self.restore().await?;
        let (_lookups, mut resumed) = resume::find_events(unfinished, self.track.events.clone());
        let mut collect = tokio::time::interval(COLLECT_EVERY);
        collect.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(report) = reports.recv() => self.record(report.alert, report.delivery).await?,
                Some(Resumed { alert, event }) = resumed.recv() => self.resume(alert, event).await?,
                _ = collect.tick(), if self.track.state.is_some() => self.collect().await?,
                entries = reader.next(self.track.config.batch_max.get(), WAIT) => match entries {
                    None => break,
                    Some(entries) if entries.is_empty() => {}
                    Some(entries) => self.process(reader, entries).await?,
                },
            }
        }
        self.dispatcher.close();
        while let Some(report) = reports.recv().await {
            self.record(report.alert, report.delivery).await?;
        }
        Ok(())
    }

    async fn process(&mut self, reader: &mut Reader, entries: Vec<Entry>) -> Result<(), Stopped> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        self.track.numbers.saw(entries.iter().map(|entry| &*entry.event));
        let times: Vec<_> = entries.iter().map(|entry| entry.event.timestamp).collect();
        let severe = |entry: &Entry| entry.event.severity.get() >= self.track.config.alert_severity;
        let severe: Vec<_> = entries.into_iter().filter(severe).map(|entry| entry.event).collect();
        self.give_up_closed(severe.iter().filter_map(|event| self.open.matching(event)).collect()).await?;
        let mut changes = Changes::default();
        for event in severe {
            if !self.open.is_repeat_delivery(&event) {
                self.place(event, &mut changes).await?;
            }
        }
        let changed: Vec<Alert> = changes.alerts.iter().filter_map(|id| self.open.get_mut(*id).cloned()).collect();
        self.put_all(&changed).await?;
        for (id, event) in changes.raised {
            self.announce(id, &event).await?;
        }
        self.claims.tell().await;
        let decided = Utc::now();
        times.iter().for_each(|time| self.waited.record(seconds_between(*time, decided)));
        reader.acknowledge(&ids).await?;
        self.track.hop.delivered(ids.len() as u64);
        Ok(())
    }

    /// Counts the event onto its open alert, or raises one.
    async fn place(&mut self, event: SharedEvent, changes: &mut Changes) -> Result<(), Stopped> {
        if let Some(id) = self.open.matching(&event) {
            if let Some(alert) = self.open.get_mut(id) {
                alert.count += 1;
                alert.last_seen = alert.last_seen.max(event.timestamp);
                alert.severity = alert.severity.max(event.severity);
            }
            changes.alerts.insert(id);
            return Ok(());
        }
        if let Some(alert) = self.stored(event.id).await? {
            // Delivered again after a restart: this event has its alert.
            self.open.open(alert, event.timestamp);
            return Ok(());
        }
        if self.claims.claim(&event).await == Claim::Theirs {
            return Ok(());
        }
        let mut alert = raise(&event, Utc::now());
        alert.deliveries = self.dispatcher.plan(&alert);
        changes.alerts.insert(alert.id);
        changes.raised.push((alert.id, event.clone()));
        self.open.open(alert, event.timestamp);
        Ok(())
    }

    /// Takes over what other processes counted onto the alerts of this one. One that was closed meanwhile
    /// is given up, so that the next event raises another.
    async fn collect(&mut self) -> Result<(), Stopped> {
        let counted = self.claims.counted_by_others().await;
        self.give_up_closed(counted.iter().map(|(id, _)| *id).collect()).await?;
        for (id, events) in counted {
            if let Some(alert) = self.open.get_mut(id) {
                alert.count += events;
                alert.last_seen = Utc::now();
                self.save(id).await?;
            }
        }
        Ok(())
    }

    /// Gives up those of some open alerts that somebody closed, so that the next event raises another. Takes
    /// over what the analyst decided about the rest.
    async fn give_up_closed(&mut self, ids: BTreeSet<Ulid>) -> Result<(), Stopped> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<Ulid> = ids.into_iter().collect();
        let states: HashMap<Ulid, AlertState> = match self.track.stage.insist(|| self.track.alerts.states(&ids)).await {
            Ok(states) => states.into_iter().collect(),
            Err(GivenUp::Stopped) => return Err(Stopped),
            Err(GivenUp::Refused(_)) => HashMap::new(),
        };
        for id in ids {
            match (states.get(&id), self.open.get_mut(id)) {
                (None | Some(AlertState::Closed), _) => {
                    self.open.close(id);
                    self.claims.release(id).await;
                }
                (Some(state), Some(alert)) => alert.state = *state,
                (Some(_), None) => {}
            }
        }
        Ok(())
    }

    /// Queues a new alert for its channels.
    async fn announce(&mut self, id: Ulid, event: &SecurityEvent) -> Result<(), Stopped> {
        let Some(alert) = self.open.get_mut(id) else { return Ok(()) };
        let waited = seconds_between(event.timestamp, Utc::now());
        metrics::histogram!("parapet_event_to_alert_seconds").record(waited);
        metrics::counter!("parapet_alerts_total", "severity" => alert.severity.band().as_str()).increment(1);
        let failed = self.dispatcher.send(alert, event);
        if failed.is_empty() {
            return Ok(());
        }
        failed.into_iter().for_each(|delivery| set_delivery(alert, delivery));
        self.save(id).await
    }

    /// Notes on the alert what became of a delivery.
    async fn record(&mut self, id: Ulid, delivery: Delivery) -> Result<(), Stopped> {
        if let Some(alert) = self.open.get_mut(id) {
            set_delivery(alert, delivery);
            return self.save(id).await;
        }
        // The alert was forgotten here (see `open_alerts_max`), not in the store.
        if let Some(mut alert) = self.stored(id).await? {
            set_delivery(&mut alert, delivery);
            self.put(&alert).await?;
        }
        Ok(())
    }

    async fn save(&mut self, id: Ulid) -> Result<(), Stopped> {
        let Some(alert) = self.open.get_mut(id) else { return Ok(()) };
        let alert = alert.clone();
        self.put(&alert).await
    }

    async fn put_all(&self, alerts: &[Alert]) -> Result<(), Stopped> {
        match self.track.stage.insist(|| self.track.alerts.put_all(alerts)).await {
            Ok(()) => alerts.iter().for_each(|alert| self.show(alert)),
            Err(GivenUp::Stopped) => return Err(Stopped),
            // One of them is refused: which one shows when each is stored by itself.
            Err(GivenUp::Refused(_)) => {
                for alert in alerts {
                    self.put(alert).await?;
                }
            }
        }
        Ok(())
    }

    fn show(&self, alert: &Alert) {
        self.track.live.publish(LiveMessage::Alert(Arc::new(alert.clone())));
    }

    async fn put(&self, alert: &Alert) -> Result<(), Stopped> {
        let track = self.track;
        match track.stage.insist(|| track.alerts.put(alert)).await {
            Ok(()) => {}
            Err(GivenUp::Stopped) => return Err(Stopped),
            Err(GivenUp::Refused(error)) => {
                // The channels still get it, so somebody hears of it.
                let text = serde_json::to_string(alert).unwrap_or_else(|_| alert.title.clone());
                let letter = Letter::raw(track.stage.name(), format!("the alert store refused it: {error}"), text);
                track.stage.insist(|| track.dead.bury(vec![letter.clone()])).await.map_err(|_| Stopped)?;
            }
        }
        self.show(alert);
        Ok(())
    }

    async fn stored(&self, id: Ulid) -> Result<Option<Alert>, Stopped> {
        match self.track.stage.insist(|| self.track.alerts.get(id)).await {
            Ok(alert) => Ok(alert),
            Err(GivenUp::Stopped) => Err(Stopped),
            Err(GivenUp::Refused(_)) => Ok(None),
        }
    }

    /// Opens the alerts of the dedup window again; returns those with pending deliveries.
    async fn restore(&mut self) -> Result<Vec<Alert>, Stopped> {
        let config = &self.track.config;
        let now = Utc::now();
        let dedup_from = now - TimeDelta::seconds(config.dedup_window_seconds.get().into());
        let resume_from = now - TimeDelta::seconds(config.resume_window_seconds.get().into());
        let mut recent = self.recent_alerts(dedup_from.min(resume_from)).await?;
        recent.reverse();
        for alert in &recent {
            if alert.timestamp >= dedup_from && alert.state != AlertState::Closed {
                self.open.open(alert.clone(), alert.timestamp);
            }
        }
        recent.retain(|alert| alert.timestamp >= resume_from && resume::is_pending(alert));
        Ok(recent)
    }

    /// Alerts since `start`, newest first, at most as many as are kept open.
    async fn recent_alerts(&self, start: DateTime<Utc>) -> Result<Vec<Alert>, Stopped> {
        let max = self.track.config.open_alerts_max.get();
        let mut found: Vec<Alert> = Vec::new();
        while found.len() < max {
            let before = found.last().map(|alert| alert.id);
            let query = AlertQuery { start_time: Some(start), before, limit: PAGE, ..AlertQuery::default() };
            let page = match self.track.stage.insist(|| self.track.alerts.list(&query)).await {
                Ok(page) => page,
                Err(GivenUp::Stopped) => return Err(Stopped),
                Err(GivenUp::Refused(_)) => break,
            };
            let last = page.len() < PAGE;
            found.extend(page);
            if last {
                break;
            }
        }
        Ok(found)
    }

    /// Takes up the pending deliveries of an alert of an earlier process.
    async fn resume(&mut self, alert: Alert, event: Option<SecurityEvent>) -> Result<(), Stopped> {
        let failed = match &event {
            Some(event) => self.dispatcher.send(&alert, event),
            None => resume::without_event(&alert),
        };
        for delivery in failed {
            self.record(alert.id, delivery).await?;
        }
        Ok(())
    }
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}

fn set_delivery(alert: &mut Alert, delivery: Delivery) {
    match alert.deliveries.iter_mut().find(|known| known.channel == delivery.channel) {
        Some(known) => *known = delivery,
        None => alert.deliveries.push(delivery),
    }
}
