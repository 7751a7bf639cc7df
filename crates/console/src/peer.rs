//! What other processes of the same installation may ask ([`parapet_ports::node`]): a console on
//! another machine, for the history and the alerts that are kept here.
//!
//! Callers show the installation's token. They are programs: no cookies, no CSRF, no roles of users;
//! whoever asks has already checked which user may see what.

use crate::auth::same;
use crate::error::ApiError;
use crate::routes::{Body, parse_id};
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use parapet_event::{AggregateQuery, Alert, Bucket, EventPage, EventQuery, SecurityEvent};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::live::LiveMessage;
use parapet_ports::node::{NodeStatus, PREFIX, Triage};
use parapet_ports::{AlertStore, EventStore, LiveFeed, Secret};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::timeout;

/// How often a stream without news shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What this process answers its peers with.
#[derive(Clone)]
pub struct PeerApi {
    /// What callers over the network must show; without one none is answered.
    pub token: Option<Secret>,
    /// What the process says of itself now. Must not block.
    pub status: Arc<dyn Fn() -> NodeStatus + Send + Sync>,
    /// The history, if it is kept here.
    pub events: Option<Arc<dyn EventStore>>,
    /// The alerts, if they are kept here.
    pub alerts: Option<Arc<dyn AlertStore>>,
    /// What just happened here.
    pub live: LiveFeed,
}

impl fmt::Debug for PeerApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerApi").field("events", &self.events.is_some()).finish_non_exhaustive()
    }
}

/// All paths, behind the token; none without one.
pub(crate) fn router(api: PeerApi) -> Router {
    let Some(token) = api.token.clone() else { return Router::new() };
    local_router(api).layer(from_fn_with_state(token, check_token))
}

/// All paths, for callers who prove by other means that they may ask.
pub(crate) fn local_router(api: PeerApi) -> Router {
    let paths = Router::new()
        .route("/status", get(status))
        .route("/events/query", post(query_events))
        .route("/events/aggregate", post(aggregate_events))
        .route("/events/{id}", get(get_event))
        .route("/alerts/query", post(query_alerts))
        .route("/alerts/{id}", get(get_alert))
        .route("/alerts/{id}/state", post(triage_alert))
        .route("/live", get(live))
        .with_state(api);
    Router::new().nest(PREFIX, paths)
}

async fn check_token(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    if same(given, token.expose().as_bytes()) {
        return next.run(request).await;
    }
    let message = "this needs the installation's token; peers.token must be the same in all processes";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).into_response()
}

impl PeerApi {
    fn events(&self) -> Result<&dyn EventStore, ApiError> {
        self.events.as_deref().ok_or_else(|| ApiError::not_found("this process keeps no history of events"))
    }

    fn alerts(&self) -> Result<&dyn AlertStore, ApiError> {
        self.alerts.as_deref().ok_or_else(|| ApiError::not_found("this process keeps no alerts"))
    }
}

async fn status(State(api): State<PeerApi>) -> Json<NodeStatus> {
    Json((api.status)())
}

async fn query_events(State(api): State<PeerApi>, Body(query): Body<EventQuery>) -> Result<Json<EventPage>, ApiError> {
    Ok(Json(api.events()?.query(&query).await?))
}

async fn aggregate_events(
    State(api): State<PeerApi>,
    Body(query): Body<AggregateQuery>,
) -> Result<Json<Vec<Bucket>>, ApiError> {
    Ok(Json(api.events()?.aggregate(&query).await?))
}

async fn get_event(State(api): State<PeerApi>, Path(id): Path<String>) -> Result<Json<SecurityEvent>, ApiError> {
    let id = parse_id(&id)?;
    let event = api.events()?.get(id).await?;
    event.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no event {id}")))
}

async fn query_alerts(State(api): State<PeerApi>, Body(query): Body<AlertQuery>) -> Result<Json<Vec<Alert>>, ApiError> {
    Ok(Json(api.alerts()?.list(&query).await?))
}

async fn get_alert(State(api): State<PeerApi>, Path(id): Path<String>) -> Result<Json<Alert>, ApiError> {
    let id = parse_id(&id)?;
    let alert = api.alerts()?.get(id).await?;
    alert.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no alert {id}")))
}

async fn triage_alert(
    State(api): State<PeerApi>,
    Path(id): Path<String>,
    Body(triage): Body<Triage>,
) -> Result<StatusCode, ApiError> {
    let id = parse_id(&id)?;
    if api.alerts()?.set_state(id, triage.state, &triage.by, triage.from).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found(format!("there is no alert {id}")))
}

/// One message a line, until the caller goes.
async fn live(State(api): State<PeerApi>) -> impl IntoResponse {
    let lines = stream::unfold(api.live.watch(), |mut feed| async move {
        let line = next_line(&mut feed).await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), feed))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], axum::body::Body::from_stream(lines))
}

async fn next_line(feed: &mut Receiver<LiveMessage>) -> Option<Vec<u8>> {
    loop {
        let message = match timeout(HEARTBEAT, feed.recv()).await {
            Err(_) => return Some(b"\n".to_vec()),
            Ok(Ok(message)) => message,
            Ok(Err(RecvError::Lagged(count))) => {
                tracing::warn!(count, "a peer is too slow for the live feed; it misses messages");
                continue;
            }
            Ok(Err(RecvError::Closed)) => return None,
        };
        match serde_json::to_vec(&message) {
            Ok(mut line) => {
                line.push(b'\n');
                return Some(line);
            }
            Err(error) => tracing::error!(%error, "a live message cannot be written as JSON"),
        }
    }
}
