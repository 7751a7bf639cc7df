//! ModSecurity 2 JSON audit logs (`SecAuditLogFormat JSON` in Apache), one record per transaction.
//! Rules are lines of text in it, as in the native form.

use super::text::{Pairs, Text, pairs};
use super::transaction::{Message, Transaction};
use super::{Refused, rule_line, time};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    transaction: Entry<'a>,
    #[serde(default)]
    request: Request<'a>,
    #[serde(default)]
    response: Response,
    #[serde(default)]
    audit_data: AuditData<'a>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    time: Text<'a>,
    transaction_id: Text<'a>,
    remote_address: Text<'a>,
    #[serde(default)]
    remote_port: u16,
}

#[derive(Deserialize, Default)]
struct Request<'a> {
    #[serde(borrow, default)]
    request_line: Text<'a>,
    #[serde(default, deserialize_with = "pairs")]
    headers: Pairs<'a>,
}

#[derive(Deserialize, Default)]
struct Response {
    #[serde(default)]
    status: u16,
}

#[derive(Deserialize, Default)]
struct AuditData<'a> {
    #[serde(borrow, default)]
    messages: Vec<Text<'a>>,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    producer: Producer<'a>,
    #[serde(default)]
    engine_mode: Text<'a>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    intercepted: bool,
}

/// A list of names with versions; one name in some versions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Producer<'a> {
    List(#[serde(borrow)] Vec<Text<'a>>),
    One(Text<'a>),
}

impl Default for Producer<'_> {
    fn default() -> Self {
        Producer::List(Vec::new())
    }
}

/// Reads a record.
pub(super) fn parse(record: &str) -> Result<Transaction<'_>, Refused> {
    let record: Record<'_> = serde_json::from_str(record).map_err(|error| Refused::Syntax(error.to_string()))?;
    let (entry, audit) = (record.transaction, record.audit_data);
    let (method, uri, protocol) = rule_line::request_line(&record.request.request_line);
    let messages = audit.messages.iter().filter_map(|line| rule_line::parse(line)).map(|line| line.message.owned());
    Ok(Transaction {
        messages: messages.collect::<Vec<Message<'static>>>(),
        interrupted: audit.action.map(|action| action.intercepted).or(Some(false)),
        engine_on: &*audit.engine_mode == "ENABLED",
        policy: match audit.producer {
            Producer::List(names) => components(names.iter().map(|name| &**name)),
            Producer::One(names) => components(names.split(';')),
        },
        time: time::of_common_log(&entry.time),
        unique_id: entry.transaction_id.0,
        client_ip: entry.remote_address.0,
        client_port: entry.remote_port,
        method: Cow::Owned(method.to_owned()),
        uri: Cow::Owned(uri.to_owned()),
        protocol: Cow::Owned(protocol.to_owned()),
        headers: record.request.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect(),
        status: record.response.status,
        ..Transaction::default()
    })
}

/// The rule sets among the producers: all but ModSecurity itself.
pub(super) fn components<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = names.map(|name| name.trim().trim_end_matches('.')).filter(|name| !name.starts_with("ModSecurity"));
    names.collect::<Vec<_>>().join(" ")
}
