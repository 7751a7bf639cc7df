//! Alerts and their triage.

use super::{Body, parse_id};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::parameters::Parameters;
use crate::schema;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use parapet_event::{Alert, AlertState};
use parapet_ports::accounts::Role;
use parapet_ports::alerts::AlertQuery;
use parapet_ports::live::LiveMessage;
use serde::Deserialize;
use std::sync::Arc;
use ulid::Ulid;
use utoipa::{IntoParams, ToSchema};

/// Names of the triage states.
const STATES: [(&str, AlertState); 3] =
    [("open", AlertState::Open), ("acknowledged", AlertState::Acknowledged), ("closed", AlertState::Closed)];
/// Alerts of a page where `limit` is not given.
const DEFAULT_LIMIT: u32 = 100;

/// Which alerts.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertParameters {
    /// Triage state.
    #[param(value_type = Option<schema::AlertState>)]
    state: Option<AlertState>,
    /// Raised at or after (RFC 3339).
    start_time: Option<DateTime<Utc>>,
    /// Raised before (RFC 3339).
    end_time: Option<DateTime<Utc>>,
    /// Only alerts older than the one with this id: the last id of the page before.
    #[param(value_type = Option<String>)]
    before: Option<Ulid>,
    /// At most so many, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl AlertParameters {
    fn read(mut given: Parameters) -> Result<Self, ApiError> {
        let read = AlertParameters {
            state: given.one_of("state", &STATES)?,
            start_time: given.time("start_time")?,
            end_time: given.time("end_time")?,
            before: given.take("before", "the id of an alert", |text| Ulid::from_string(text).ok())?,
            limit: given.number("limit", 1, 1000)?,
        };
        given.finish()?;
        Ok(read)
    }
}

/// Alerts, newest first.
#[utoipa::path(
    get, path = "/api/v1/alerts", operation_id = "listAlerts", tag = "alerts",
    params(AlertParameters),
    responses(
        (status = 200, body = Vec<schema::Alert>),
        (status = 400, body = ErrorBody, description = "A parameter is unknown or malformed"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Needs the role analyst"),
    ),
    security(("session" = []))
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    given: Parameters,
) -> Result<Json<Vec<Alert>>, ApiError> {
    caller.require(Role::Analyst)?;
    let read = AlertParameters::read(given)?;
    let query = AlertQuery {
        start_time: read.start_time,
        end_time: read.end_time,
        state: read.state,
        before: read.before,
        limit: read.limit.unwrap_or(DEFAULT_LIMIT) as usize,
    };
    Ok(Json(app.console.alerts.list(&query).await?))
}

/// New triage state of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertChange {
    /// The state.
    #[schema(value_type = schema::AlertState)]
    state: AlertState,
}

/// Triage an alert. The change goes to the audit trail.
#[utoipa::path(
    patch, path = "/api/v1/alerts/{id}", operation_id = "triageAlert", tag = "alerts",
    params(("id" = String, Path, description = "Id of the alert (ULID)")),
    request_body = AlertChange,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, body = ErrorBody, description = "The id is malformed"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Needs the role analyst, or wrong X-CSRF-Token"),
        (status = 404, body = ErrorBody, description = "No such alert"),
    ),
    security(("session" = [], "csrf" = []))
)]
pub(crate) async fn triage(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<AlertChange>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Analyst)?;
    let id = parse_id(&id)?;
    let by = &caller.session.principal.username;
    if !app.console.alerts.set_state(id, change.state, by, caller.ip).await? {
        return Err(ApiError::not_found(format!("there is no alert {id}")));
    }
    // The change is stored; other screens not hearing of it at once is no reason to report a failure.
    match app.console.alerts.get(id).await {
        Ok(Some(alert)) => app.console.live.publish(LiveMessage::Alert(Arc::new(alert))),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, alert = %id, "cannot show a triaged alert to watchers"),
    }
    Ok(StatusCode::NO_CONTENT)
}
