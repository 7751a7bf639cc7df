//! `t:cssDecode`: the escapes of CSS 2.

use memchr::memchr;

use super::{hex, is_space};

/// Decodes `\` followed by one to six digits (to one byte; full-width forms to ASCII) and by any
/// other character; a backslash before a newline or at the end vanishes.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = input;
    let mut changed = false;
    while let Some(found) = memchr(b'\\', rest) {
        changed = true;
        out.extend_from_slice(&rest[..found]);
        rest = &rest[found + 1..];
        let digits = rest.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 0 {
            out.push(value(&rest[..digits]));
            rest = &rest[digits..];
            // One white space ends the escape and belongs to it.
            if rest.first().is_some_and(|&byte| is_space(byte)) {
                rest = &rest[1..];
            }
        } else if let Some((&first, after)) = rest.split_first() {
            if first != b'\n' {
                out.push(first);
            }
            rest = after;
        }
    }
    if changed {
        out.extend_from_slice(rest);
    }
    changed
}

/// The byte that one to six digits stand for: the last two, and full-width forms as ASCII.
fn value(digits: &[u8]) -> u8 {
    let number = digits.iter().fold(0_u32, |number, &byte| number << 4 | u32::from(hex::digit(byte).unwrap_or(0)));
    let low = (number & 0xff) as u8;
    let full_width = (0xff01..=0xff5e).contains(&number);
    if full_width { low + 0x20 } else { low }
}
