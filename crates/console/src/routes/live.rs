//! The live stream: server-sent events for screens that watch.
//!
//! A watcher costs a bounded amount: the feed keeps the last messages for everybody, a watcher that
//! falls behind or a feed that runs faster than people can read skips messages and says how many,
//! and a connection that takes no bytes is cut by the server (see `listener`).

use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::parameters::Parameters;
use crate::schema;
use crate::state::{App, stopping};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use chrono::{DateTime, Utc};
use futures::stream;
use parapet_event::SecurityEvent;
use parapet_ports::accounts::Role;
use parapet_ports::live::LiveMessage;
use parapet_ports::traffic::TrafficTotals;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::ToSchema;

/// Seconds between heartbeat comments, which keep proxies from closing the connection.
const HEARTBEAT_SECONDS: u64 = 15;
/// Messages a watcher is shown per second; more than any screen can show.
const SHOWN_PER_SECOND: u32 = 500;

/// Data of the message `traffic`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrafficTick {
    /// When the totals were taken.
    timestamp: DateTime<Utc>,
    /// Requests since the gateway started.
    #[serde(flatten)]
    #[schema(value_type = schema::TrafficTotals)]
    totals: TrafficTotals,
}

/// Data of the message `missed`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Missed {
    /// Messages this watcher was not shown since the last one.
    count: u64,
}

/// Watch what happens, as server-sent events.
///
/// `traffic` (TrafficTick) every second, `security-event` (SecurityEvent), `alert` (Alert, from the
/// role analyst on), `missed` (Missed) where messages were skipped. Viewers get security events
/// without findings, headers and query string. The stream ends with the session.
#[utoipa::path(
    get, path = "/api/v1/live", operation_id = "watchLive", tag = "overview",
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 503, body = ErrorBody, description = "Too many watchers, see Retry-After"),
    ),
    security(("session" = []))
)]
pub(crate) async fn live(
    State(app): State<App>,
    caller: Caller,
    given: Parameters,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(Role::Viewer)?;
    given.finish()?;
    let permit = app.watchers.clone().try_acquire_owned().map_err(|_| {
        let message = "all places of the live stream are taken; close another window or raise console.watchers_max";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", message).retry_after(10)
    })?;
    let watcher = Watcher::new(app, caller, permit);
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    // Tells nginx in front of the console not to collect the stream.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok((AppendHeaders([unbuffered]), Sse::new(events)))
}

/// One open stream.
struct Watcher {
    app: App,
    caller: Caller,
    feed: Receiver<LiveMessage>,
    seconds: Interval,
    second: u64,
    shown_this_second: u32,
    missed: u64,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    fn new(app: App, caller: Caller, place: OwnedSemaphorePermit) -> Self {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watcher {
            feed: app.console.live.watch(),
            app,
            caller,
            seconds,
            second: 0,
            shown_this_second: 0,
            missed: 0,
            ready: VecDeque::with_capacity(4),
            _place: place,
        }
    }

    /// The next message; `None` when the session or the server ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                // Time goes first, so that a flood of messages cannot hold it up.
                biased;
                () = stopping(&mut self.app.shutdown) => return None,
                _ = self.seconds.tick() => self.tick().await?,
                message = self.feed.recv() => match message {
                    Ok(message) => self.take(&message),
                    Err(RecvError::Lagged(count)) => self.missed += count,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// What is due each second; `None` when the session has ended.
    async fn tick(&mut self) -> Option<()> {
        match self.app.console.accounts.is_active(&self.caller.token).await {
            Ok(true) => {}
            Ok(false) => return None,
            // A database that is busy for a moment does not log anybody out.
            Err(error) => tracing::warn!(%error, "cannot check the session of a live stream"),
        }
        if self.missed > 0 {
            let missed = Missed { count: std::mem::take(&mut self.missed) };
            self.push("missed", &missed);
        }
        let totals = self.app.console.traffic.totals();
        self.push("traffic", &TrafficTick { timestamp: Utc::now(), totals });
        if self.second % HEARTBEAT_SECONDS == HEARTBEAT_SECONDS - 1 {
            self.ready.push_back(Event::default().comment("heartbeat"));
        }
        self.second += 1;
        self.shown_this_second = 0;
        Some(())
    }

    fn take(&mut self, message: &LiveMessage) {
        if self.shown_this_second >= SHOWN_PER_SECOND {
            self.missed += 1;
            return;
        }
        self.shown_this_second += 1;
        let analyst = self.caller.session.principal.role >= Role::Analyst;
        match message {
            LiveMessage::Event(event) if analyst => self.push("security-event", &**event),
            LiveMessage::Event(event) => self.push("security-event", &for_viewers(event)),
            LiveMessage::Alert(alert) if analyst => self.push("alert", &**alert),
            LiveMessage::Alert(_) => {}
        }
    }

    fn push(&mut self, name: &str, data: &impl Serialize) {
        match Event::default().event(name).json_data(data) {
            Ok(event) => self.ready.push_back(event),
            Err(error) => tracing::error!(%error, name, "a live message cannot be written as JSON"),
        }
    }
}

/// Viewers see that something happened, not what was sent.
fn for_viewers(event: &SecurityEvent) -> SecurityEvent {
    let mut event = event.clone();
    event.findings.clear();
    event.request.headers.clear();
    if let Some(end) = event.request.uri.find('?') {
        event.request.uri.truncate(end);
    }
    event
}
