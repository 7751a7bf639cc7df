//! `t:replaceComments`, `t:removeComments` and `t:removeCommentsChar`.

use memchr::memmem;

use super::any;

/// Each `/* … */` becomes one space, also one that is not closed.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = input;
    let mut changed = false;
    while let Some(start) = memmem::find(rest, b"/*") {
        changed = true;
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        let comment = &rest[start + 2..];
        rest = memmem::find(comment, b"*/").map_or(&[], |end| &comment[end + 2..]);
    }
    if changed {
        out.extend_from_slice(rest);
    }
    changed
}

/// Takes `/* … */`, `<!-- … -->`, `-- …` and `# …` out.
///
/// Two habits of libmodsecurity are kept, as rules are written for them: a comment that is not closed
/// leaves a space, and the byte after a closed one is copied unseen, or a NUL at the end of input.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, |byte| matches!(byte, b'/' | b'<' | b'-' | b'#')) {
        return false;
    }
    let mut at = 0;
    let mut in_comment = false;
    while at < input.len() {
        let rest = &input[at..];
        if in_comment {
            let closed = if rest.starts_with(b"*/") {
                2
            } else if rest.starts_with(b"-->") {
                3
            } else {
                at += 1;
                continue;
            };
            in_comment = false;
            out.push(rest.get(closed).copied().unwrap_or(0));
            at += closed + 1;
        } else if rest.starts_with(b"/*") {
            in_comment = true;
            at += 2;
        } else if rest.starts_with(b"<!--") {
            in_comment = true;
            at += 4;
        } else if rest.starts_with(b"--") || rest[0] == b'#' {
            break;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    if in_comment {
        out.push(b' ');
    }
    out != input
}

/// Takes the marks `/*`, `*/`, `<!--`, `-->`, `--` and `#` out, and leaves what they enclose.
pub(super) fn remove_chars(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, |byte| matches!(byte, b'/' | b'*' | b'<' | b'-' | b'#')) {
        return false;
    }
    let mut rest = input;
    while let Some(&first) = rest.first() {
        let mark = match first {
            b'/' if rest.starts_with(b"/*") => 2,
            b'*' if rest.starts_with(b"*/") => 2,
            b'<' if rest.starts_with(b"<!--") => 4,
            b'-' if rest.starts_with(b"-->") => 3,
            b'-' if rest.starts_with(b"--") => 2,
            b'#' => 1,
            _ => 0,
        };
        if mark == 0 {
            out.push(first);
        }
        rest = &rest[mark.max(1)..];
    }
    out != input
}
