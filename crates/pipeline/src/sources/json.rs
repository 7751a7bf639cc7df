//! One JSON record of any of the known kinds, repaired if it is damaged.

use super::transaction::Transaction;
use super::{Reading, Refused, coraza_json, modsecurity_json, modsecurity2_json, salvage};
use parapet_event::SecurityEvent;

/// Bytes of a record in which the keys are looked for that tell its kind.
const HEAD_BYTES: usize = 512;

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

/// Each kind names the transaction's id or time in its own way, near its beginning.
fn parser(record: &[u8]) -> Parse {
    let head = &record[..record.len().min(HEAD_BYTES)];
    let has = |key: &str| memchr::memmem::find(head, key.as_bytes()).is_some();
    if has("\"transaction_id\"") {
        modsecurity2_json::parse
    } else if has("\"unix_timestamp\"") {
        coraza_json::parse
    } else {
        modsecurity_json::parse
    }
}
