//! One line of JSON for every request.

use crate::exchange::Exchange;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// Longest user agent in a line, in characters.
const USER_AGENT_MAX: usize = 512;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    id: String,
    site: &'a str,
    client: String,
    method: String,
    uri: String,
    protocol: String,
    host: String,
    status: u16,
    action: Option<&'static str>,
    received_bytes: u64,
    sent_bytes: u64,
    total_us: u128,
    engine_us: Option<u128>,
    upstream: Option<String>,
    user_agent: String,
}

/// The line for an exchange, newline included.
pub(crate) fn line(exchange: &Exchange<'_>) -> Vec<u8> {
    let arrived: DateTime<Utc> = exchange.arrived.into();
    let request = exchange.summary();
    let upstream = exchange.upstream.and_then(|index| {
        let server = exchange.site.upstreams.servers().iter().find(|server| server.index == index)?;
        Some(format!("{}:{}", server.address.host, server.address.port))
    });
    let line = Line {
        time: arrived.to_rfc3339_opts(SecondsFormat::Micros, true),
        id: exchange.id.to_string(),
        site: &exchange.site.name,
        client: exchange.client_address().ip().to_string(),
        method: request.method,
        uri: request.uri,
        protocol: request.protocol,
        host: request.host,
        status: exchange.status,
        action: exchange.action.map(parapet_event::Action::as_str),
        received_bytes: exchange.body.reader.received,
        sent_bytes: exchange.sent,
        total_us: exchange.started.elapsed().as_micros(),
        engine_us: exchange.inspection.as_ref().map(|inspection| inspection.time.as_micros()),
        upstream,
        user_agent: request.user_agent.chars().take(USER_AGENT_MAX).collect(),
    };
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
