//! `t:base64Decode`, `t:base64DecodeExt` and `t:base64Encode`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The six bits of each letter of the standard and the URL-safe alphabet; 64 for anything else.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut index = 0;
    while index < 64 {
        values[letters[index] as usize] = index as u8;
        index += 1;
    }
    values
};

/// Encodes with padding.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(STANDARD.encode(input).as_bytes());
    !input.is_empty()
}

/// Decodes up to the first byte that is no letter of the standard alphabet (line ends are skipped).
///
/// This is ModSecurity v2's reading, which CRS is written for: libmodsecurity leaves a value with one
/// foreign byte alone, so that one byte at its end hides a payload that most decoders would find.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let letters = input
        .iter()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .map(|&byte| VALUES[usize::from(byte)])
        .take_while(|&value| value < 64);
    collect(letters, out);
    out != input
}

/// Decodes whatever letters there are, of either alphabet, and skips everything else.
pub(super) fn decode_forgiving(input: &[u8], out: &mut Vec<u8>) -> bool {
    let letters = input
        .iter()
        .map(|&byte| match byte {
            b'-' => 62,
            b'_' => 63,
            byte => VALUES[usize::from(byte)],
        })
        .filter(|&value| value < 64);
    collect(letters, out);
    out != input
}

/// Packs six-bit values into bytes; bits that do not fill a byte are dropped.
fn collect(letters: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut bits = 0_u32;
    let mut count = 0;
    for value in letters {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}
