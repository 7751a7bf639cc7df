//! Repair of damaged JSON records.
//!
//! Two kinds of damage occur in practice. ModSecurity copies bytes that are not UTF-8 into its JSON
//! as they are; they are shown as `\xHH`, as in all our texts. And a record can be cut off, by a full
//! disk or a crash; everything up to the last complete part is kept and what is open is closed.

use std::borrow::Cow;
use std::fmt::Write;

/// Deepest nesting of a record.
const DEPTH_MAX: usize = 64;

/// Shows bytes that are not UTF-8, and control characters inside strings, in a form that JSON allows.
/// Borrowed if there are none.
pub(super) fn readable(record: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(record) {
        Ok(text) if !text.bytes().any(|byte| byte < 0x20) => Cow::Borrowed(text),
        _ => Cow::Owned(rewrite(record)),
    }
}

fn rewrite(record: &[u8]) -> String {
    let mut text = String::with_capacity(record.len() + 64);
    let (mut in_string, mut escaped) = (false, false);
    for chunk in record.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\u{0}'..='\u{1f}' if in_string => {
                    let _ = write!(text, "\\u{:04x}", u32::from(character));
                }
                _ => text.push(character),
            }
            match character {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                _ => {}
            }
        }
        for byte in chunk.invalid() {
            // A backslash just before the byte escapes nothing any more: it becomes a text of its own.
            let backslash = if std::mem::take(&mut escaped) { "\\" } else { "" };
            let _ = write!(text, "{backslash}\\\\x{byte:02x}");
        }
    }
    text
}

/// Closes a record that was cut off, keeping all complete parts; `None` if it was not cut off, or
/// before its first part was complete.
pub(super) fn close(record: &str) -> Option<String> {
    let (mut in_string, mut escaped) = (false, false);
    let mut open: Vec<u8> = Vec::new();
    // Where the last complete part ended, and what was open there.
    let mut complete: Option<(usize, Vec<u8>)> = None;
    for (index, byte) in record.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                if open.len() >= DEPTH_MAX {
                    return None;
                }
                open.push(if byte == b'{' { b'}' } else { b']' });
            }
            b'}' | b']' => {
                if open.pop() != Some(byte) {
                    return None;
                }
                complete = Some((index + 1, open.clone()));
            }
            b',' => complete = Some((index, open.clone())),
            _ => {}
        }
    }
    if open.is_empty() && !in_string {
        return None;
    }
    let (end, open) = complete?;
    let mut closed = record.get(..end)?.to_owned();
    closed.extend(open.iter().rev().map(|&byte| char::from(byte)));
    Some(closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        assert_eq!(parse(&readable(b"{\"a\":\"x\xbcy\xff\"}")), json!({"a": "x\\xbcy\\xff"}));
        assert_eq!(parse(&readable(b"{\"a\":\"tab\there\"}")), json!({"a": "tab\there"}));
        assert_eq!(parse(&readable(b"{\"a\":\"q\\\"\xbc\\\\\xbc\"}")), json!({"a": "q\"\\xbc\\\\xbc"}));
        assert_eq!(parse(&readable(b"{\"a\":\"\\\xbc\"}")), json!({"a": "\\\\xbc"}));
        assert!(matches!(readable("{\"a\":\"\u{fc}\"}".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn a_record_cut_off_anywhere_keeps_its_complete_parts() {
        let whole = r#"{"t":{"a":"1,{\"","b":[{"c":1},{"c":2}],"d":{"e":"x"}}}"#;
        for end in 0..whole.len() {
            if let Some(closed) = close(&whole[..end]) {
                let value = parse(&closed);
                assert!(value["t"]["a"].as_str().is_none_or(|text| text == "1,{\""), "{closed}");
            }
        }
        assert_eq!(
            parse(&close(r#"{"t":{"a":"1","b":[{"c":1},{"c":"#).unwrap()),
            json!({"t": {"a": "1", "b": [{"c": 1}]}})
        );
        assert_eq!(close(whole), None);
        assert_eq!(close("{\"a"), None);
        assert_eq!(close("{]"), None);
        assert_eq!(close(&"[1,".repeat(DEPTH_MAX + 1)), None);
    }
}
