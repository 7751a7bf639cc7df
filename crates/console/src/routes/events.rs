//! History of events: list, one, counts.

use super::parse_id;
use crate::auth::Caller;
use crate::cursor;
use crate::error::{ApiError, ErrorBody};
use crate::parameters::Parameters;
use crate::schema;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use parapet_event::{
    Action, AggregateQuery, AttackClass, Bucket, Cursor, EventFilter, EventQuery, GroupBy, SecurityEvent, SeverityBand,
    Track,
};
use parapet_ports::accounts::Role;
use std::net::IpAddr;
use utoipa::IntoParams;

/// Header with the cursor of the next page.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");
/// Events of a page where `limit` is not given.
const DEFAULT_LIMIT: u32 = 100;
/// Keys of a summary where `limit` is not given.
const DEFAULT_KEYS: u32 = 20;
/// Characters of a text filter or a site name.
const TEXT_LONGEST: usize = 200;
/// A day: wider buckets are better counted by the client.
const INTERVAL_LONGEST: u32 = 86_400;

const BANDS: [(&str, SeverityBand); 4] = [
    ("low", SeverityBand::Low),
    ("medium", SeverityBand::Medium),
    ("high", SeverityBand::High),
    ("critical", SeverityBand::Critical),
];
const TRACKS: [(&str, Track); 2] = [("realtime", Track::RealTime), ("analytics", Track::Analytics)];
const ACTIONS: [(&str, Action); 3] =
    [("blocked", Action::Blocked), ("detected", Action::Detected), ("rejected", Action::Rejected)];
const GROUPS: [(&str, GroupBy); 7] = [
    ("track", GroupBy::Track),
    ("attack_type", GroupBy::AttackType),
    ("action", GroupBy::Action),
    ("severity", GroupBy::Severity),
    ("client_ip", GroupBy::ClientIp),
    ("rule_id", GroupBy::RuleId),
    ("site", GroupBy::Site),
];

/// Which events; conditions are joined by AND.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterParameters {
    /// At or after (RFC 3339).
    start_time: Option<DateTime<Utc>>,
    /// Before (RFC 3339).
    end_time: Option<DateTime<Utc>>,
    /// Severity band.
    #[param(value_type = Option<schema::SeverityBand>)]
    severity: Option<SeverityBand>,
    /// Track.
    #[param(value_type = Option<schema::Track>)]
    track: Option<Track>,
    /// Exact client address.
    #[param(value_type = Option<String>)]
    client_ip: Option<IpAddr>,
    /// Any finding with this rule id.
    rule_id: Option<u32>,
    /// Class of the leading rule.
    #[param(value_type = Option<schema::AttackClass>)]
    attack_type: Option<AttackClass>,
    /// What was done.
    #[param(value_type = Option<schema::Action>)]
    action: Option<Action>,
    /// Exact site.
    #[param(max_length = 200)]
    site: Option<String>,
    /// Text in the URI, the user agent, a rule message or the matched text, in any case.
    #[param(max_length = 200)]
    text: Option<String>,
}

impl FilterParameters {
    fn take(given: &mut Parameters) -> Result<Self, ApiError> {
        Ok(FilterParameters {
            start_time: given.time("start_time")?,
            end_time: given.time("end_time")?,
            severity: given.one_of("severity", &BANDS)?,
            track: given.one_of("track", &TRACKS)?,
            client_ip: given.take("client_ip", "an IP address", |text| text.parse().ok())?,
            rule_id: given.number("rule_id", 0, u32::MAX)?,
            attack_type: given.one_of("attack_type", &AttackClass::ALL.map(|class| (class.as_str(), class)))?,
            action: given.one_of("action", &ACTIONS)?,
            site: given.text("site", TEXT_LONGEST)?,
            text: given.text("text", TEXT_LONGEST)?,
        })
    }

    fn into_filter(self) -> EventFilter {
        EventFilter {
            start_time: self.start_time,
            end_time: self.end_time,
            severity: self.severity,
            track: self.track,
            client_ip: self.client_ip,
            rule_id: self.rule_id,
            attack_type: self.attack_type,
            action: self.action,
            site: self.site,
            text: self.text,
        }
    }
}

/// Which page.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// `X-Next-Cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
    /// At most so many, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl PageParameters {
    fn take(given: &mut Parameters) -> Result<Self, ApiError> {
        Ok(PageParameters {
            cursor: given.take("cursor", "a cursor of this server", cursor::decode)?,
            limit: given.number("limit", 1, 1000)?,
        })
    }
}

/// What to count.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryParameters {
    /// What to count by.
    #[param(value_type = schema::GroupBy)]
    group_by: GroupBy,
    /// Width of the time buckets in seconds; without it one bucket over all time.
    #[param(minimum = 1, maximum = 86400)]
    interval_seconds: Option<u32>,
    /// At most so many keys, those with the highest counts; default 20.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl SummaryParameters {
    fn take(given: &mut Parameters) -> Result<Self, ApiError> {
        Ok(SummaryParameters {
            group_by: given
                .one_of("group_by", &GROUPS)?
                .ok_or_else(|| ApiError::bad_parameter("parameter `group_by` is missing: say what to count by"))?,
            interval_seconds: given.number("interval_seconds", 1, INTERVAL_LONGEST)?,
            limit: given.number("limit", 1, 1000)?,
        })
    }
}

/// Events, newest first.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listEvents", tag = "events",
    params(FilterParameters, PageParameters),
    responses(
        (status = 200, body = Vec<schema::SecurityEvent>,
            headers(
                ("X-Next-Cursor" = String, description = "Cursor of the next page; absent on the last one"),
                ("Link" = String, description = "The next page as `<…>; rel=\"next\"`; absent on the last one"),
            )),
        (status = 400, body = ErrorBody, description = "A parameter is unknown or malformed"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Needs the role analyst"),
    ),
    security(("session" = []))
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut given: Parameters,
    RawQuery(raw): RawQuery,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(Role::Analyst)?;
    let filter = FilterParameters::take(&mut given)?.into_filter();
    let page = PageParameters::take(&mut given)?;
    given.finish()?;
    let query = EventQuery { filter, cursor: page.cursor, limit: page.limit.unwrap_or(DEFAULT_LIMIT) as usize };
    let answer = app.console.store.query(&query).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = &answer.next {
        let cursor = cursor::encode(next);
        if let Ok(link) = HeaderValue::try_from(next_link(raw.as_deref().unwrap_or(""), &cursor)) {
            headers.insert(header::LINK, link);
        }
        if let Ok(cursor) = HeaderValue::try_from(cursor) {
            headers.insert(NEXT_CURSOR, cursor);
        }
    }
    Ok((headers, Json(answer.events)))
}

/// The same request with another cursor.
fn next_link(raw_query: &str, cursor: &str) -> String {
    let mut link = String::from("</api/v1/events?");
    for pair in raw_query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=")) {
        // What would end the link early stays inside it.
        link.push_str(&pair.replace('>', "%3E").replace('"', "%22"));
        link.push('&');
    }
    link.push_str("cursor=");
    link.push_str(cursor);
    link.push_str(">; rel=\"next\"");
    link
}

/// One event.
#[utoipa::path(
    get, path = "/api/v1/events/{id}", operation_id = "getEvent", tag = "events",
    params(("id" = String, Path, description = "Id of the event (ULID)")),
    responses(
        (status = 200, body = schema::SecurityEvent),
        (status = 400, body = ErrorBody, description = "The id is malformed"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Needs the role analyst"),
        (status = 404, body = ErrorBody, description = "No such event"),
    ),
    security(("session" = []))
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    given: Parameters,
) -> Result<Json<SecurityEvent>, ApiError> {
    caller.require(Role::Analyst)?;
    given.finish()?;
    let id = parse_id(&id)?;
    let event = app.console.store.get(id).await?;
    event.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no event {id}")))
}

/// Counts of events by key and time.
#[utoipa::path(
    get, path = "/api/v1/events/summary", operation_id = "summarizeEvents", tag = "events",
    params(SummaryParameters, FilterParameters),
    responses(
        (status = 200, body = Vec<schema::Bucket>),
        (status = 400, body = ErrorBody, description = "A parameter is unknown or malformed"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
    ),
    security(("session" = []))
)]
pub(crate) async fn summary(
    State(app): State<App>,
    caller: Caller,
    mut given: Parameters,
) -> Result<Json<Vec<Bucket>>, ApiError> {
    caller.require(Role::Viewer)?;
    let summary = SummaryParameters::take(&mut given)?;
    let filter = FilterParameters::take(&mut given)?.into_filter();
    given.finish()?;
    let query = AggregateQuery {
        filter,
        group_by: summary.group_by,
        interval_seconds: summary.interval_seconds,
        limit: summary.limit.unwrap_or(DEFAULT_KEYS) as usize,
    };
    Ok(Json(app.console.store.aggregate(&query).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_keeps_the_filters_and_replaces_the_cursor() {
        assert_eq!(
            next_link("track=realtime&cursor=old&limit=2", "new"),
            "</api/v1/events?track=realtime&limit=2&cursor=new>; rel=\"next\""
        );
        assert_eq!(next_link("", "new"), "</api/v1/events?cursor=new>; rel=\"next\"");
        assert!(!next_link("text=a>;\"b", "new").starts_with("</api/v1/events?text=a>"));
    }
}
