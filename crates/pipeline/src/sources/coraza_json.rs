//! Coraza JSON audit logs (`SecAuditLogFormat JSON`), one record per transaction. Field names are
//! those of its package `internal/auditlog`.

use super::text::{Pairs, Text, pairs_of_lists};
use super::transaction::{Message, Transaction, severity};
use super::{Refused, time};
use chrono::DateTime;
use serde::Deserialize;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    transaction: Entry<'a>,
    #[serde(default)]
    messages: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    /// Nanoseconds.
    #[serde(default)]
    unix_timestamp: i64,
    id: Text<'a>,
    client_ip: Text<'a>,
    #[serde(default)]
    client_port: u16,
    #[serde(default)]
    server_id: Text<'a>,
    #[serde(default)]
    request: Option<Request<'a>>,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    producer: Option<Producer<'a>>,
    #[serde(default)]
    is_interrupted: bool,
}

#[derive(Deserialize, Default)]
struct Request<'a> {
    #[serde(borrow, default)]
    method: Text<'a>,
    #[serde(default)]
    protocol: Text<'a>,
    #[serde(default)]
    uri: Text<'a>,
    #[serde(default, deserialize_with = "pairs_of_lists")]
    headers: Pairs<'a>,
}

#[derive(Deserialize, Default)]
struct Response {
    #[serde(default)]
    status: u16,
}

#[derive(Deserialize, Default)]
struct Producer<'a> {
    #[serde(borrow, default)]
    rule_engine: Text<'a>,
    #[serde(default)]
    rulesets: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    file: Text<'a>,
    #[serde(default)]
    line: u32,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    msg: Text<'a>,
    #[serde(default)]
    data: Text<'a>,
    #[serde(default)]
    severity: Text<'a>,
    #[serde(default)]
    tags: Option<Vec<Text<'a>>>,
}

/// Reads a record.
pub(super) fn parse(record: &str) -> Result<Transaction<'_>, Refused> {
    let record: Record<'_> = serde_json::from_str(record).map_err(|error| Refused::Syntax(error.to_string()))?;
    let entry = record.transaction;
    let request = entry.request.unwrap_or_default();
    let producer = entry.producer.unwrap_or_default();
    let rule_sets: Vec<_> = producer.rulesets.iter().flatten().map(|name| &**name).collect();
    let at = Some(entry.unix_timestamp).filter(|at| *at > 0).map(DateTime::from_timestamp_nanos);
    Ok(Transaction {
        time: at.or_else(|| Some(time::of_slashes(&entry.timestamp)?.and_utc())),
        unique_id: entry.id.0,
        server_id: entry.server_id.0,
        client_ip: entry.client_ip.0,
        client_port: entry.client_port,
        method: request.method.0,
        uri: request.uri.0,
        protocol: request.protocol.0,
        headers: request.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect(),
        status: entry.response.unwrap_or_default().status,
        engine_on: producer.rule_engine.eq_ignore_ascii_case("on"),
        interrupted: Some(entry.is_interrupted),
        policy: rule_sets.join(" "),
        messages: record.messages.into_iter().flatten().map(message).collect(),
        ..Transaction::default()
    })
}

fn message(item: Item<'_>) -> Message<'_> {
    let data = item.data;
    Message {
        rule_id: data.id,
        message: if data.msg.is_empty() { item.message.0 } else { data.msg.0 },
        data: data.data.0,
        severity: severity(&data.severity),
        tags: data.tags.into_iter().flatten().map(|tag| tag.0).collect(),
        file: data.file.0,
        line: data.line,
        ..Message::default()
    }
}
