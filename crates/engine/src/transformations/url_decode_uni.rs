//! `t:urlDecodeUni`: `%hh`, `+`, and the `%uHHHH` of IIS.

use super::url_decode::unescape;
use super::{best_fit, hex};

/// Decodes a value, mapping characters as code page 20127 does.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    decode(input, out, best_fit::ascii)
}

/// Decodes a value; a character without a place in `map` is cut to its low byte.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>, map: impl Fn(u16) -> Option<u8>) -> bool {
    unescape(input, out, |text| escape(text, &map))
}

/// The byte that the escape at the start of `input` stands for, and the escape's length.
fn escape(input: &[u8], map: &impl Fn(u16) -> Option<u8>) -> Option<(u8, usize)> {
    match *input {
        [_, b'u' | b'U', ref digits @ ..] => {
            let high = hex::pair(digits)?;
            let low = hex::pair(&digits[2..])?;
            let byte = map(u16::from_be_bytes([high, low])).unwrap_or_else(|| best_fit::low_byte(high, low));
            Some((byte, 6))
        }
        [_, ref digits @ ..] => Some((hex::pair(digits)?, 3)),
        [] => None,
    }
}
