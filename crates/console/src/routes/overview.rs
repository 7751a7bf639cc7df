//! What is running, how much traffic it saw and where its events are.

use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::parameters::Parameters;
use crate::schema;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use parapet_ports::accounts::Role;
use parapet_ports::traffic::TrafficTotals;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is running and how much traffic it saw.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Requests since the gateway started.
    #[schema(value_type = schema::TrafficTotals)]
    traffic: TrafficTotals,
    /// Hash of the policy in force.
    policy: String,
    /// Version of the binary.
    version: String,
    /// Seconds since the process started.
    uptime_seconds: u64,
    /// Names of the protected sites.
    sites: Vec<String>,
}

/// What is running and how much traffic it saw.
#[utoipa::path(
    get, path = "/api/v1/overview", operation_id = "getOverview", tag = "overview",
    responses(
        (status = 200, body = Overview),
        (status = 401, body = ErrorBody, description = "Not logged in"),
    ),
    security(("session" = []))
)]
pub(crate) async fn overview(
    State(app): State<App>,
    caller: Caller,
    given: Parameters,
) -> Result<Json<Overview>, ApiError> {
    caller.require(Role::Viewer)?;
    given.finish()?;
    let info = &app.console.info;
    Ok(Json(Overview {
        traffic: app.console.traffic.totals(),
        policy: (info.policy)(),
        version: info.version.clone(),
        uptime_seconds: info.started.elapsed().as_secs(),
        sites: (info.sites)(),
    }))
}

/// Account of every event by hop: produced = delivered + dropped + in flight.
#[utoipa::path(
    get, path = "/api/v1/ledger", operation_id = "getLedger", tag = "overview",
    responses(
        (status = 200, body = BTreeMap<String, schema::HopCount>),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Needs the role analyst"),
    ),
    security(("session" = []))
)]
pub(crate) async fn ledger(
    State(app): State<App>,
    caller: Caller,
    given: Parameters,
) -> Result<Json<BTreeMap<String, schema::HopCount>>, ApiError> {
    caller.require(Role::Analyst)?;
    given.finish()?;
    let hops = app.console.ledger.snapshot().into_iter().map(|(name, hop)| {
        let in_flight = hop.in_flight();
        let shown =
            schema::HopCount { produced: hop.produced, delivered: hop.delivered, dropped: hop.dropped, in_flight };
        (name, shown)
    });
    Ok(Json(hops.collect()))
}
