//! `t:jsDecode`: the escapes of JavaScript strings.

use memchr::memchr;

use super::{best_fit, hex};

/// Decodes `\uHHHH` (to one byte), `\xHH`, `\OOO` and `\C`.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut copied = 0;
    while let Some(found) = memchr(b'\\', &input[copied..]).map(|offset| copied + offset) {
        let Some((byte, length)) = escape(&input[found + 1..]) else { break };
        out.extend_from_slice(&input[copied..found]);
        out.push(byte);
        copied = found + 1 + length;
    }
    if copied == 0 {
        return false;
    }
    out.extend_from_slice(&input[copied..]);
    true
}

/// What the text after a backslash stands for, and its length; `None` at the end of input.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let &first = text.first()?;
    Some(match first {
        b'u' => match (hex::pair(&text[1..]), text.get(3..).and_then(hex::pair)) {
            (Some(high), Some(low)) => (best_fit::low_byte(high, low), 5),
            _ => (b'u', 1),
        },
        b'x' => hex::pair(&text[1..]).map_or((b'x', 1), |byte| (byte, 3)),
        b'0'..=b'7' => {
            let (value, length) = octal(text);
            // Three digits only where the result is a byte.
            if value > 0xff { ((value >> 3) as u8, length - 1) } else { (value as u8, length) }
        }
        other => (control(other).unwrap_or(other), 1),
    })
}

/// Up to three octal digits: value and number of digits.
pub(super) fn octal(text: &[u8]) -> (u16, usize) {
    let digits = text.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold((0, 0), |(value, length), byte| (value << 3 | u16::from(byte - b'0'), length + 1))
}

/// The control character that a letter names in C and JavaScript.
pub(super) fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}
