//! `t:urlDecode`: `%hh` and `+`; invalid encodings stay as they are.

use memchr::memchr2;

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
    let mut decoded = Decoded::default();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr2(b'%', b'+', &input[at..]).map(|offset| at + offset) {
        let (byte, length) = match (input[found], hex::pair(&input[found + 1..])) {
            (b'+', _) => (b' ', 1),
            (_, Some(byte)) => (byte, 3),
            (_, None) => {
                decoded.invalid = true;
                at = found + 1;
                continue;
            }
        };
        decoded.changed = true;
        out.extend_from_slice(&input[copied..found]);
        out.push(byte);
        at = found + length;
        copied = at;
    }
    if decoded.changed {
        out.extend_from_slice(&input[copied..]);
    }
    decoded
}
