//! `t:phpArgsNames`: the name under which PHP registers a request variable.
//!
//! Source: the documented rules of PHP's variable registration, as libmodsecurity v3 applies them.

use memchr::memchr;

/// Renames as PHP does: leading spaces go, `.`, space and an unclosed `[` become `_`, and what follows
/// the last index of an array goes.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    rename(input, out);
    out != input
}

fn rename(input: &[u8], out: &mut Vec<u8>) {
    if matches!(input.first(), Some(b'[' | b'=')) {
        return;
    }
    let mut at = input.iter().take_while(|&&byte| byte == b' ').count();
    let mut unclosed = false;
    let mut array = false;
    while let Some(&byte) = input.get(at) {
        match byte {
            b'[' if !unclosed => {
                if memchr(b']', &input[at..]).is_some() {
                    array = true;
                    break;
                }
                unclosed = true;
                out.push(b'_');
            }
            b' ' | b'.' if !unclosed => out.push(b'_'),
            _ => out.push(byte),
        }
        at += 1;
    }
    while array {
        let Some(close) = memchr(b']', &input[at..]).map(|offset| at + offset) else { return };
        // `[ ]` is `[]`.
        if input[at..=close] == *b"[ ]" {
            out.extend_from_slice(b"[]");
        } else {
            out.extend_from_slice(&input[at..=close]);
        }
        at = close + 1;
        array = input.get(at) == Some(&b'[');
    }
}
