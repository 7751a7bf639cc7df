//! `t:removeNulls` and `t:replaceNulls`.

use memchr::{memchr, memchr_iter};

/// Takes NUL bytes out.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = 0;
    for at in memchr_iter(0, input) {
        out.extend_from_slice(&input[rest..at]);
        rest = at + 1;
    }
    if rest == 0 {
        return false;
    }
    out.extend_from_slice(&input[rest..]);
    true
}

/// Turns each NUL byte into a space.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr(0, input).is_none() {
        return false;
    }
    out.extend(input.iter().map(|&byte| if byte == 0 { b' ' } else { byte }));
    true
}
