//! `t:compressWhitespace`, `t:removeWhitespace`, `t:trim`, `t:trimLeft` and `t:trimRight`.

use memchr::memmem;

use super::{any, is_space};

/// The non-breaking space of Latin-1, which only `removeWhitespace` counts as white space.
const NBSP: u8 = 0xa0;

/// Whether `removeWhitespace` takes a byte out.
const fn is_removed(byte: u8) -> bool {
    is_space(byte) || byte == NBSP
}

/// What it does not take out.
const KEPT: [bool; 256] = {
    let mut kept = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        kept[byte] = !is_removed(byte as u8);
        byte += 1;
    }
    kept
};

/// Each run of white space becomes one space.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> bool {
    let has_run = |input: &[u8]| memmem::find(input, b"  ").is_some();
    if !any(input, is_space) || (!any(input, |byte| byte != b' ' && is_space(byte)) && !has_run(input)) {
        return false;
    }
    let mut in_space = false;
    out.extend_from_slice(input);
    let mut to = 0;
    for &byte in input {
        let space = is_space(byte);
        out[to] = if space { b' ' } else { byte };
        to += usize::from(!(space && in_space));
        in_space = space;
    }
    out.truncate(to);
    true
}

/// Takes all white space out.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, is_removed) {
        return false;
    }
    out.extend_from_slice(input);
    let mut to = 0;
    for &byte in input {
        out[to] = byte;
        to += usize::from(KEPT[usize::from(byte)]);
    }
    out.truncate(to);
    true
}

/// Takes white space off both ends.
pub(super) fn trim(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, skip_right(skip_left(input)), out)
}

/// Takes leading white space off.
pub(super) fn trim_left(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, skip_left(input), out)
}

/// Takes trailing white space off.
pub(super) fn trim_right(input: &[u8], out: &mut Vec<u8>) -> bool {
    keep(input, skip_right(input), out)
}

fn skip_left(input: &[u8]) -> &[u8] {
    let start = input.iter().position(|&byte| !is_space(byte)).unwrap_or(input.len());
    &input[start..]
}

fn skip_right(input: &[u8]) -> &[u8] {
    let end = input.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    &input[..end]
}

fn keep(input: &[u8], kept: &[u8], out: &mut Vec<u8>) -> bool {
    if kept.len() == input.len() {
        return false;
    }
    out.extend_from_slice(kept);
    true
}
