//! Strings: what needs no escape is copied as it is.

use super::{Json, Rest};
use crate::ShortText;
use std::borrow::Cow;
use std::fmt::Write;

impl Json for String {
    fn write(&self, json: &mut String) {
        write_text(json, self);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        read_text(json).map(Cow::into_owned)
    }
}

impl Json for ShortText {
    fn write(&self, json: &mut String) {
        write_text(json, self);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        read_text(json).map(ShortText::from)
    }
}

fn write_text(json: &mut String, mut text: &str) {
    json.push('"');
    loop {
        let (plain, special) = text.split_at(plain_bytes(text));
        json.push_str(plain);
        let mut special = special.chars();
        match special.next() {
            None => break,
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some('\u{8}') => json.push_str("\\b"),
            Some('\u{c}') => json.push_str("\\f"),
            // Writing to a string cannot fail.
            Some(control) => drop(write!(json, "\\u{:04x}", u32::from(control))),
        }
        text = special.as_str();
    }
    json.push('"');
}

fn read_text<'a>(json: &mut Rest<'a>) -> Option<Cow<'a, str>> {
    json.skip("\"")?;
    let plain = json.take(plain_bytes(json.0))?;
    if json.skip("\"").is_some() {
        return Some(plain.into());
    }
    let mut text = plain.to_owned();
    while json.skip("\"").is_none() {
        json.skip("\\")?;
        text.push(match json.take(1)? {
            "\"" => '"',
            "\\" => '\\',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "b" => '\u{8}',
            "f" => '\u{c}',
            "u" => {
                let digits = json.take(4)?.strip_prefix("00").filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
                char::from(u8::from_str_radix(digits?, 16).ok()?)
            }
            _ => return None,
        });
        text.push_str(json.take(plain_bytes(json.0))?);
    }
    Some(text.into())
}

/// Bytes before the first that ends a string or is escaped in one: quotation mark, backslash, control
/// characters.
pub(super) fn plain_bytes(text: &str) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The high bit of each byte below `limit`; exact up to and including the first one.
    fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(ONES * u64::from(limit)) & !word & (ONES << 7)
    }
    let special = |word: u64| {
        let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        below(word, b' ') | equals(b'"') | equals(b'\\')
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, 0..b' ' | b'"' | b'\\'));
    8 * words.len() + in_rest.unwrap_or(rest.len())
}

/// Writes a text in which there is nothing to escape.
pub(super) fn quoted(json: &mut String, text: &str) {
    json.push('"');
    json.push_str(text);
    json.push('"');
}
