//! The audit log in the JSON form of libmodsecurity 3, one transaction a line, with the headers (parts B
//! and F) and findings (H) that `SecAuditLogParts` chooses and never with a body; and the same findings in
//! the form of an Apache error log. Existing tools read both.

use crate::exchange::Exchange;
use crate::inspection::{Findings, LogDetails};
use crate::response_head;
use crate::text;
use chrono::{DateTime, Utc};
use parapet_event::{Action, Finding, ShortText};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write;

#[derive(Serialize)]
struct Line {
    transaction: Transaction,
}

#[derive(Serialize)]
struct Transaction {
    client_ip: String,
    time_stamp: String,
    server_id: String,
    client_port: u16,
    host_ip: String,
    host_port: u16,
    unique_id: String,
    request: Request,
    response: Response,
    producer: Producer,
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct Request {
    method: String,
    http_version: f32,
    uri: String,
    headers: Map<String, Value>,
}

#[derive(Serialize)]
struct Response {
    http_code: u16,
    headers: Map<String, Value>,
}

#[derive(Serialize)]
struct Producer {
    modsecurity: &'static str,
    connector: &'static str,
    secrules_engine: &'static str,
    components: Vec<String>,
}

#[derive(Serialize)]
struct Message {
    message: String,
    details: Details,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(rename = "match")]
    matched: String,
    reference: String,
    rule_id: String,
    file: String,
    line_number: String,
    data: String,
    severity: String,
    ver: String,
    rev: String,
    tags: Vec<ShortText>,
    maturity: String,
    accuracy: String,
}

/// The line for an exchange, newline included.
pub(crate) fn line(exchange: &Exchange<'_>, found: &Findings) -> Vec<u8> {
    let arrived: DateTime<Utc> = exchange.arrived.into();
    let request = exchange.summary();
    let redactor = &exchange.worker.shared.redactor;
    // Without rules that ran, as after a head that is no HTTP, there is nobody to choose parts.
    let has_part = |letter| found.audit_parts.is_empty() || found.audit_parts.contains(&letter);
    let mut headers = Map::new();
    for (name, value) in request.headers.into_iter().filter(|_| has_part(b'B')) {
        insert(&mut headers, name.into(), value.into());
    }
    let mut response_headers = Map::new();
    let response_head = if has_part(b'F') { exchange.response_head.as_slice() } else { &[] };
    response_head::for_each_header(response_head, |name, value| {
        let shown = match exchange.secrets.has_response_header(name) {
            true => text::REDACTED.to_owned(),
            false => redactor.header(name, &exchange.secrets.mask(value)),
        };
        insert(&mut response_headers, text::from_bytes(name), shown);
    });
    let line = Line {
        transaction: Transaction {
            client_ip: exchange.origin.address.ip().to_string(),
            time_stamp: arrived.format("%a %b %e %H:%M:%S %Y").to_string(),
            server_id: exchange.worker.shared.instance.to_string(),
            client_port: exchange.origin.address.port(),
            host_ip: exchange.client.local.ip().to_string(),
            host_port: exchange.client.local.port(),
            unique_id: exchange.id.to_string(),
            request: Request {
                method: request.method,
                http_version: if exchange.is_http11() { 1.1 } else { 1.0 },
                uri: request.uri,
                headers,
            },
            response: Response { http_code: exchange.status, headers: response_headers },
            producer: Producer {
                modsecurity: concat!("Parapet ", env!("CARGO_PKG_VERSION")),
                connector: "Parapet gateway",
                secrules_engine: if exchange.inspection.is_some() { "Enabled" } else { "Disabled" },
                components: exchange
                    .policy
                    .settings()
                    .component_signatures
                    .iter()
                    .map(|name| text::from_bytes(name))
                    .collect(),
            },
            messages: found
                .list
                .iter()
                .zip(&found.details)
                .filter(|(_, details)| details.audit && has_part(b'H'))
                .map(|(finding, details)| message(finding, details))
                .collect(),
        },
    };
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Repeated headers are joined, because a JSON object has each name once.
fn insert(headers: &mut Map<String, Value>, name: String, value: String) {
    match headers.get_mut(&name) {
        Some(Value::String(existing)) => {
            existing.push_str(", ");
            existing.push_str(&value);
        }
        _ => {
            headers.insert(name, Value::String(value));
        }
    }
}

fn message(finding: &Finding, details: &LogDetails) -> Message {
    Message {
        message: finding.message.clone(),
        details: Details {
            matched: matched(finding),
            reference: String::new(),
            rule_id: finding.rule_id.to_string(),
            file: finding.file.clone(),
            line_number: finding.line.to_string(),
            data: finding.data.clone(),
            severity: finding.rule_severity.map(|severity| severity.to_string()).unwrap_or_default(),
            ver: details.version.clone(),
            rev: details.revision.clone(),
            tags: finding.tags.clone(),
            maturity: details.maturity.to_string(),
            accuracy: details.accuracy.to_string(),
        },
    }
}

/// What libmodsecurity writes: the operator with its argument, the variable and its value.
fn matched(finding: &Finding) -> String {
    if finding.operator.is_empty() {
        return String::new();
    }
    let bare = finding.operator.trim_start_matches(['!', '@']);
    let (name, argument) = bare.split_once(' ').unwrap_or((bare, ""));
    match name.to_ascii_lowercase().as_str() {
        "detectsqli" => return "detected SQLi using libinjection.".to_owned(),
        "detectxss" => return "detected XSS using libinjection.".to_owned(),
        _ => {}
    }
    let mut letters = name.chars();
    let name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!(
        "Matched \"Operator `{name}' with parameter `{argument}' against variable `{}' (Value: `{}' )",
        finding.variable, finding.matched
    )
}

/// One line per finding as ModSecurity writes to the error log of a web server.
pub(crate) fn error_lines(exchange: &Exchange<'_>, found: &Findings) -> Vec<u8> {
    let arrived: DateTime<Utc> = exchange.arrived.into();
    let request = exchange.summary();
    let path = request.uri.split('?').next().unwrap_or_default().to_owned();
    let mut lines = String::new();
    let last = found.details.iter().rposition(|details| details.log);
    for (index, finding) in found.list.iter().enumerate() {
        if !found.details.get(index).is_some_and(|details| details.log) {
            continue;
        }
        let denied = Some(index) == last && exchange.action == Some(Action::Blocked);
        let verdict = if denied {
            format!("Access denied with code {} (phase {}).", exchange.status, finding.phase)
        } else {
            "Warning.".to_owned()
        };
        // Writing to a String cannot fail.
        let _ = write!(
            lines,
            "{} [error] [client {}] ModSecurity: {verdict} {} [file \"{}\"] [line \"{}\"] [id \"{}\"] [msg \"{}\"] [data \"{}\"] [severity \"{}\"]",
            arrived.format("%Y/%m/%d %H:%M:%S"),
            exchange.origin.address.ip(),
            escape(&matched(finding)),
            escape(&finding.file),
            finding.line,
            finding.rule_id,
            escape(&finding.message),
            escape(&finding.data),
            finding.rule_severity.map(|severity| severity.to_string()).unwrap_or_default(),
        );
        for tag in &finding.tags {
            let _ = write!(lines, " [tag \"{}\"]", escape(tag));
        }
        let _ = writeln!(
            lines,
            " [hostname \"{}\"] [uri \"{}\"] [unique_id \"{}\"]",
            escape(&request.host),
            escape(&path),
            exchange.id
        );
    }
    lines.into_bytes()
}

/// Keeps a line a line and a quoted field a quoted field.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_break_out_of_its_line() {
        assert_eq!(escape("a\"] [id \"1\"]\r\n\x1b"), "a\\\"] [id \\\"1\\\"]\\r\\n\\x1b");
    }

    #[test]
    fn the_match_reads_as_libmodsecurity_writes_it() {
        let finding = Finding {
            rule_id: 949110,
            phase: 2,
            message: String::new(),
            data: String::new(),
            tags: Vec::new(),
            rule_severity: None,
            variable: "TX:ANOMALY_SCORE".to_owned(),
            matched: "10".to_owned(),
            operator: "@ge 5".to_owned(),
            scores: Vec::new(),
            file: String::new(),
            line: 0,
        };
        assert_eq!(
            matched(&finding),
            "Matched \"Operator `Ge' with parameter `5' against variable `TX:ANOMALY_SCORE' (Value: `10' )"
        );
    }
}
