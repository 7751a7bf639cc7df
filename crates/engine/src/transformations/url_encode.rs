//! `t:urlEncode`: `+` for a space, `%hh` for everything but letters, digits and `*`.

use super::{any, hex};

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'*'
}

/// Encodes a value.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, |byte| !is_plain(byte)) {
        return false;
    }
    for &byte in input {
        if is_plain(byte) {
            out.push(byte);
        } else if byte == b' ' {
            out.push(b'+');
        } else {
            out.push(b'%');
            hex::push(byte, out);
        }
    }
    true
}
