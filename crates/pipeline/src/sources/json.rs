//! One JSON record of any of the known kinds, repaired if it is damaged.

use super::transaction::Transaction;
use super::{Reading, Refused, coraza_json, modsecurity_json, modsecurity2_json, salvage};
use parapet_event::SecurityEvent;

/// Reads a record.
pub(super) fn read(record: &[u8]) -> Result<Reading, Refused> {
    let parse = parser(record);
    let whole = std::str::from_utf8(record).map_err(|error| Refused::Syntax(error.to_string()));
    if let Ok(transaction) = whole.and_then(parse) {
        return Ok(Reading { event: transaction.into_event()?, salvaged: None });
    }
    let text = salvage::readable(record);
    let error = match event(parse, &text) {
        Err(Refused::Syntax(error)) => error,
        outcome => {
            let salvaged = Some("bytes that are not allowed in JSON".to_owned());
            return outcome.map(|event| Reading { event, salvaged });
        }
    };
    if let Some(closed) = salvage::close(&text)
        && let Ok(transaction) = parse(&closed)
    {
        let salvaged = Some(format!("cut off after {} bytes", record.len()));
        return Ok(Reading { event: transaction.into_event()?, salvaged });
    }
    Err(Refused::Syntax(error))
}

type Parse = fn(&str) -> Result<Transaction<'_>, Refused>;

fn event(parse: Parse, text: &str) -> Result<SecurityEvent, Refused> {
    parse(text)?.into_event()
}

/// Each kind begins with another key of the transaction. Later keys tell nothing: names of headers are
/// the client's.
fn parser(record: &[u8]) -> Parse {
    match first_key(record) {
        Some(b"time") => modsecurity2_json::parse,
        Some(b"timestamp") => coraza_json::parse,
        _ => modsecurity_json::parse,
    }
}

/// The first key in `{"transaction":{"…"`.
fn first_key(record: &[u8]) -> Option<&[u8]> {
    let mut rest = record;
    for sign in [&b"{"[..], b"\"transaction\"", b":", b"{", b"\""] {
        rest = rest.trim_ascii_start().strip_prefix(sign)?;
    }
    Some(&rest[..memchr::memchr(b'"', rest)?])
}
