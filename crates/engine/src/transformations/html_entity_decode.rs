//! `t:htmlEntityDecode`: numeric entities (to one byte) and the five names `quot amp lt gt nbsp`.

use memchr::memchr;

use super::hex;

/// The non-breaking space of Latin-1.
const NBSP: u8 = 0xa0;

/// Decodes entities, with or without their semicolon; anything else stays.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr(b'&', &input[at..]).map(|offset| at + offset) {
        let Some((byte, length)) = entity(&input[found + 1..]) else {
            at = found + 1;
            continue;
        };
        out.extend_from_slice(&input[copied..found]);
        out.push(byte);
        at = found + 1 + length;
        at += usize::from(input.get(at) == Some(&b';'));
        copied = at;
    }
    if copied == 0 {
        return false;
    }
    out.extend_from_slice(&input[copied..]);
    true
}

/// What the text after an ampersand stands for, and its length without a semicolon.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    match *text {
        [b'#', b'x' | b'X', ref digits @ ..] => number(digits, 16).map(|(byte, length)| (byte, length + 2)),
        [b'#', ref digits @ ..] => number(digits, 10).map(|(byte, length)| (byte, length + 1)),
        _ => {
            // Longer words are none of the five; looking no further keeps this linear.
            let length = text.iter().take(5).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let byte = match &text[..length] {
                word if word.eq_ignore_ascii_case(b"quot") => b'"',
                word if word.eq_ignore_ascii_case(b"amp") => b'&',
                word if word.eq_ignore_ascii_case(b"lt") => b'<',
                word if word.eq_ignore_ascii_case(b"gt") => b'>',
                word if word.eq_ignore_ascii_case(b"nbsp") => NBSP,
                _ => return None,
            };
            Some((byte, length))
        }
    }
}

/// The low byte of a number of any length, as `strtol` computes it, and its number of digits.
fn number(text: &[u8], radix: i64) -> Option<(u8, usize)> {
    let mut value = 0_i64;
    let mut length = 0;
    for &byte in text {
        let Some(digit) = hex::digit(byte).map(i64::from).filter(|&digit| digit < radix) else { break };
        value = value.saturating_mul(radix).saturating_add(digit);
        length += 1;
    }
    (length > 0).then_some(((value & 0xff) as u8, length))
}
