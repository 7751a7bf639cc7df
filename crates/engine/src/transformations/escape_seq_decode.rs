//! `t:escapeSeqDecode`: the escapes of ANSI C strings.

use memchr::memchr;

use super::hex;
use super::js_decode::{control, octal};

/// Decodes `\a`…`\v`, `\\`, `\?`, `\'`, `\"`, `\xHH` and `\OOO`; of anything else only the backslash
/// goes.
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
        b'x' | b'X' => hex::pair(&text[1..]).map_or((first, 1), |byte| (byte, 3)),
        b'0'..=b'7' => {
            let (value, length) = octal(text);
            (value as u8, length)
        }
        other => (control(other).unwrap_or(other), 1),
    })
}
