//! Cursors on the wire: opaque text that cannot be mistaken for anything else.
//!
//! Layout before base64url: version (1 byte), seconds (8), nanoseconds (4), event id (16), the first
//! 4 bytes of the SHA-256 over the rest. The check makes cut or edited cursors an error instead of
//! an arbitrary position; a cursor grants nothing, so it needs no key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use parapet_event::Cursor;
use sha2::{Digest, Sha256};
use ulid::Ulid;

const VERSION: u8 = 1;
const BODY: usize = 1 + 8 + 4 + 16;
const CHECK: usize = 4;

/// The text of a position.
pub(crate) fn encode(cursor: &Cursor) -> String {
    let mut bytes = Vec::with_capacity(BODY + CHECK);
    bytes.push(VERSION);
    bytes.extend_from_slice(&cursor.timestamp.timestamp().to_be_bytes());
    bytes.extend_from_slice(&cursor.timestamp.timestamp_subsec_nanos().to_be_bytes());
    bytes.extend_from_slice(&cursor.id.to_bytes());
    let check = Sha256::digest(&bytes);
    bytes.extend_from_slice(&check[..CHECK]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a text that [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, check) = bytes.split_at_checked(BODY)?;
    if check != &Sha256::digest(body)[..CHECK] {
        return None;
    }
    let (version, rest) = body.split_first()?;
    let (seconds, rest) = rest.split_first_chunk::<8>()?;
    let (nanos, rest) = rest.split_first_chunk::<4>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    if *version != VERSION || !rest.is_empty() {
        return None;
    }
    let timestamp = DateTime::from_timestamp(i64::from_be_bytes(*seconds), u32::from_be_bytes(*nanos))?;
    Some(Cursor { timestamp, id: Ulid::from_bytes(*id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Cursor {
        Cursor { timestamp: DateTime::from_timestamp(1_780_000_000, 123_456_789).unwrap(), id: Ulid::from_parts(5, 9) }
    }

    #[test]
    fn a_cursor_comes_back_to_the_nanosecond() {
        assert_eq!(decode(&encode(&sample())), Some(sample()));
        let before_epoch = Cursor { timestamp: DateTime::from_timestamp(-5, 1).unwrap(), ..sample() };
        assert_eq!(decode(&encode(&before_epoch)), Some(before_epoch));
    }

    #[test]
    fn an_edited_or_cut_cursor_is_refused() {
        let text = encode(&sample());
        for at in 0..text.len() {
            let mut edited = text.clone().into_bytes();
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(decode(std::str::from_utf8(&edited).unwrap()), None, "byte {at}");
            assert_eq!(decode(&text[..at]), None, "length {at}");
        }
        for text in ["", "=", "ä", "AAAA", &"A".repeat(4096)] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
