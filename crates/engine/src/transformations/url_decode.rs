//! `t:urlDecode`: `%hh` and `+`; invalid encodings stay as they are.

use memchr::memchr;

use super::hex;

/// Decodes a value; whether anything changed.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    decode(input, out).changed
}

/// What decoding met.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The result differs from the input; otherwise nothing was written.
    pub(crate) changed: bool,
    /// A `%` was not followed by two digits.
    pub(crate) invalid: bool,
}

/// Appends the decoded input to `out`, unless it is unchanged.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> Decoded {
    let mut invalid = false;
    let changed = unescape(input, out, |text| {
        let byte = hex::pair(&text[1..]);
        invalid |= byte.is_none();
        Some((byte?, 3))
    });
    Decoded { changed, invalid }
}

/// Appends the input with each `+` as a space and what the escapes stand for in their place, unless that
/// is the input; whether it is not. `escape` tells the byte and the length of the escape at the start of a
/// text that begins with `%`.
pub(super) fn unescape(input: &[u8], out: &mut Vec<u8>, mut escape: impl FnMut(&[u8]) -> Option<(u8, usize)>) -> bool {
    let mut changed = memchr(b'+', input).is_some();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr(b'%', &input[at..]).map(|offset| at + offset) {
        let Some((byte, length)) = escape(&input[found..]) else {
            at = found + 1;
            continue;
        };
        changed = true;
        append(&input[copied..found], out);
        out.push(byte);
        at = found + length;
        copied = at;
    }
    if changed {
        append(&input[copied..], out);
    }
    changed
}

/// Appends text without escapes. A search would stop at every word of a form, as `+` is what is between
/// words; this goes many bytes at a time.
fn append(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }));
}
