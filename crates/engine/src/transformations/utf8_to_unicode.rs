//! `t:utf8toUnicode`: UTF-8 sequences as `%uHHHH`.
//!
//! As in libmodsecurity: an overlong sequence or a surrogate is written both ways (its lead byte
//! follows), a lead byte without its continuation vanishes, other invalid bytes stay, and NUL bytes
//! vanish unless they end the input.

use memchr::memchr;

/// Encodes every multi-byte sequence.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    if input.is_ascii() && memchr(0, input).is_none_or(|at| at + 1 == input.len()) {
        return false;
    }
    let mut at = 0;
    while let Some(&lead) = input.get(at) {
        let length = match lead {
            0 => {
                if at + 1 == input.len() {
                    out.push(0);
                }
                at += 1;
                continue;
            }
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => {
                out.push(lead);
                at += 1;
                continue;
            }
        };
        // Beyond the last character of Unicode: the byte stays, whatever follows.
        if (0xf5..=0xf7).contains(&lead) {
            out.push(lead);
        }
        let Some(character) = sequence(lead, length, &input[at + 1..]) else {
            at += 1;
            continue;
        };
        push(character, out);
        if (0xd800..=0xdfff).contains(&character) {
            out.push(lead);
        }
        let shortest = [0, 0, 0x80, 0x800, 0x1_0000][length];
        if character < shortest {
            out.push(lead);
        }
        at += length;
    }
    out != input
}

/// The character of a sequence of `length` bytes, if its continuation bytes are there.
fn sequence(lead: u8, length: usize, rest: &[u8]) -> Option<u32> {
    let continuation = rest.get(..length - 1)?;
    let first = u32::from(lead) & (0x7f >> length);
    continuation
        .iter()
        .try_fold(first, |character, &byte| (byte & 0xc0 == 0x80).then(|| character << 6 | u32::from(byte & 0x3f)))
}

/// Writes `%u` and at least four digits.
fn push(character: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"%u");
    let digits = (32 - character.leading_zeros()).div_ceil(4).max(4);
    for place in (0..digits).rev() {
        let digit = (character >> (place * 4)) & 0x0f;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}
