//! For orchestrators and Prometheus: alive, ready, metrics. None of these needs a session.

use crate::auth::{Client, same};
use crate::error::{ApiError, ErrorBody};
use crate::state::NodeApp;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// Answer of a probe.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Probe {
    /// `ok` or `unavailable`.
    status: &'static str,
    /// Why it is not `ok`.
    reasons: Vec<String>,
}

/// Whether the process answers at all.
#[utoipa::path(
    get, path = "/healthz", operation_id = "getHealth", tag = "probes",
    responses((status = 200, body = Probe, description = "Alive"))
)]
pub(crate) async fn health() -> Json<Probe> {
    Json(Probe { status: "ok", reasons: Vec::new() })
}

/// Whether the process can do its work.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "probes",
    responses(
        (status = 200, body = Probe, description = "Ready"),
        (status = 503, body = Probe, description = "Not ready, with the reasons"),
    )
)]
pub(crate) async fn ready(State(app): State<NodeApp>) -> impl IntoResponse {
    let mut reasons = (app.node.readiness)();
    if *app.shutdown.borrow() {
        reasons.push("the process is shutting down".to_owned());
    }
    if reasons.is_empty() {
        (StatusCode::OK, Json(Probe { status: "ok", reasons }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Probe { status: "unavailable", reasons }))
    }
}

/// Metrics in the Prometheus text format. With a configured token only for its bearer, otherwise
/// only for clients on this machine where the console listens on loopback with no proxy in front.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "probes",
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4"),
        (status = 401, body = ErrorBody, description = "Needs the configured bearer token"),
    ),
    security((), ("metrics" = []))
)]
pub(crate) async fn metrics(
    State(app): State<NodeApp>,
    Client(ip): Client,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let allowed = match &app.settings.metrics_token {
        Some(token) => headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .is_some_and(|given| same(given, token.expose().as_bytes())),
        None => app.settings.local_metrics && ip.is_loopback(),
    };
    if !allowed {
        let message = "metrics need the bearer token of the setting console.metrics_token";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message));
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (app.node.metrics)()))
}
