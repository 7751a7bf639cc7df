//! ModSecurity 3 JSON audit logs (`SecAuditLogFormat JSON`), one record per transaction, and Parapet's
//! own audit log, which has the same form. Field names are those of `Transaction::toJSON` in
//! libmodsecurity.
//!
//! Our own log carries the event's id, so reading it back yields the events that the gateway made.

use super::text::{Pairs, Text, pairs};
use super::transaction::{Message, Transaction, severity};
use super::{Refused, time};
use serde::Deserialize;
use std::borrow::Cow;
use ulid::Ulid;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    transaction: Entry<'a>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    client_ip: Text<'a>,
    time_stamp: Text<'a>,
    #[serde(default)]
    server_id: Text<'a>,
    #[serde(default)]
    client_port: u16,
    unique_id: Text<'a>,
    request: Request<'a>,
    #[serde(default)]
    response: Response,
    #[serde(default)]
    producer: Producer<'a>,
    #[serde(default)]
    messages: Vec<Item<'a>>,
    #[serde(default)]
    is_interrupted: Option<bool>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(default)]
    http_version: Text<'a>,
    uri: Text<'a>,
    #[serde(default, deserialize_with = "pairs")]
    headers: Pairs<'a>,
}

#[derive(Deserialize, Default)]
struct Response {
    #[serde(default)]
    http_code: u16,
}

#[derive(Deserialize, Default)]
struct Producer<'a> {
    #[serde(borrow, default)]
    modsecurity: Text<'a>,
    #[serde(default)]
    secrules_engine: Text<'a>,
    #[serde(default)]
    components: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
    details: Details<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow, rename = "match", default)]
    matched: Text<'a>,
    #[serde(default)]
    rule_id: Text<'a>,
    #[serde(default)]
    file: Text<'a>,
    #[serde(default)]
    line_number: Text<'a>,
    #[serde(default)]
    data: Text<'a>,
    #[serde(default)]
    severity: Text<'a>,
    #[serde(default)]
    tags: Vec<Text<'a>>,
}

/// Reads a record.
pub(super) fn parse(record: &str) -> Result<Transaction<'_>, Refused> {
    let record: Record<'_> = serde_json::from_str(record).map_err(|error| Refused::Syntax(error.to_string()))?;
    let entry = record.transaction;
    let own = entry.producer.modsecurity.starts_with("Parapet");
    let policy: Vec<&str> = entry.producer.components.iter().map(|text| text.trim_matches('"')).collect();
    Ok(Transaction {
        time: time::of_ctime(&entry.time_stamp).map(|local| time::correct(local, &entry.unique_id)),
        own_id: if own { Ulid::from_string(&entry.unique_id).ok() } else { None },
        unique_id: entry.unique_id.0,
        server_id: entry.server_id.0,
        client_ip: entry.client_ip.0,
        client_port: entry.client_port,
        method: entry.request.method.0,
        uri: entry.request.uri.0,
        protocol: protocol(&entry.request.http_version),
        headers: entry.request.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect(),
        host: Cow::Borrowed(""),
        status: entry.response.http_code,
        engine_on: &*entry.producer.secrules_engine == "Enabled",
        interrupted: entry.is_interrupted,
        policy: policy.join(" "),
        messages: entry.messages.into_iter().map(message).collect(),
    })
}

fn protocol(version: &str) -> Cow<'static, str> {
    match version {
        "1.1" => Cow::Borrowed("HTTP/1.1"),
        _ => Cow::Owned(format!("HTTP/{version}")),
    }
}

fn message(item: Item<'_>) -> Message<'_> {
    let details = item.details;
    Message {
        matched: details.matched.0,
        rule_id: details.rule_id.parse().unwrap_or_default(),
        phase: 0,
        message: item.message.0,
        data: details.data.0,
        severity: severity(&details.severity),
        tags: details.tags.into_iter().map(|tag| tag.0).collect(),
        file: details.file.0,
        line: details.line_number.parse().unwrap_or_default(),
    }
}
