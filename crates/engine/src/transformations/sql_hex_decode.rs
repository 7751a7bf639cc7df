//! `t:sqlHexDecode`: `0x…` literals of SQL.

use memchr::memchr;

use super::hex;

/// Replaces each `0x` that is followed by pairs of digits with the bytes they spell.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr(b'0', &input[at..]).map(|offset| at + offset) {
        at = found + 1;
        if !matches!(input.get(at), Some(b'x' | b'X')) || hex::pair(&input[at + 1..]).is_none() {
            continue;
        }
        out.extend_from_slice(&input[copied..found]);
        at += 1;
        while let Some(byte) = hex::pair(&input[at..]) {
            out.push(byte);
            at += 2;
        }
        copied = at;
    }
    if copied == 0 {
        return false;
    }
    out.extend_from_slice(&input[copied..]);
    true
}
