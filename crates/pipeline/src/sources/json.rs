//! One JSON record of any of the known kinds, repaired if it is damaged.

use super::transaction::Transaction;
use super::{Reading, Refused, coraza_json, modsecurity_json, modsecurity2_json, salvage};
use parapet_event::SecurityEvent;

/// Reads a record.
pub(super) fn read(record: &[u8]) -> Result<Reading, Refused> {
    if let Some(outcome) = own_event(record) {
        return outcome;
    }
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

/// An event as Parapet's streams and API show it. Records of any other kind begin with `transaction`.
fn own_event(record: &[u8]) -> Option<Result<Reading, Refused>> {
    let key = record.strip_prefix(b"{").map(<[u8]>::trim_ascii_start)?;
    if key.starts_with(b"\"transaction\"") {
        return None;
    }
    match serde_json::from_slice(record) {
        Ok(event) => Some(Ok(Reading { event, salvaged: None })),
        Err(error) if key.starts_with(b"\"schema\"") => {
            Some(Err(Refused::Syntax(format!("an event of Parapet's: {error}"))))
        }
        Err(_) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn an_event_of_our_own_is_read_as_it_is() {
        let event = example::event(7);
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap(), Reading { event, salvaged: None });
        let error = read(br#"{ "schema": 1, "id": 7}"#).unwrap_err().to_string();
        assert!(error.contains("an event of Parapet's"), "{error}");
    }
}
