//! `t:normalizePath` and `t:normalizePathWin`: empty, `.` and `..` segments resolved.
//!
//! The algorithm is libmodsecurity's, byte for byte: it works in place from left to right, a segment
//! ends before a slash or at the end of input, and a `..` takes the segment before it away.

/// Resolves a path whose separator is `/`.
pub(super) fn unix(input: &[u8], out: &mut Vec<u8>) -> bool {
    normalize(input, out, false)
}

/// Resolves a path whose separators are `/` and `\`; all become `/`.
pub(super) fn windows(input: &[u8], out: &mut Vec<u8>) -> bool {
    normalize(input, out, true)
}

/// Whether nothing can change: no double slash, and no dot before a slash or at the end.
fn is_normal(path: &[u8], windows: bool) -> bool {
    if windows && memchr::memchr(b'\\', path).is_some() {
        return false;
    }
    path.last() != Some(&b'.')
        && memchr::memchr_iter(b'/', path).all(|at| at == 0 || !matches!(path[at - 1], b'/' | b'.'))
}

fn normalize(input: &[u8], out: &mut Vec<u8>, windows: bool) -> bool {
    if is_normal(input, windows) {
        return false;
    }
    out.extend_from_slice(input);
    if windows {
        for byte in out.iter_mut().filter(|byte| **byte == b'\\') {
            *byte = b'/';
        }
    }
    let length = resolve(out);
    out.truncate(length);
    out != input
}

/// Resolves in place and returns the new length.
fn resolve(path: &mut [u8]) -> usize {
    let Some(end) = path.len().checked_sub(1) else { return 0 };
    let relative = path[0] != b'/';
    let trailing = path[end] == b'/';
    let mut hit_root = false;
    let mut done = false;
    let (mut from, mut to) = (0, 0);
    while !done && from <= end && to <= end {
        done = from == end;
        if done || path[from + 1] == b'/' {
            // The byte at `from` ends a segment.
            if path[from] == b'.' {
                if to > 0 && path[to - 1] == b'.' {
                    if relative && (hit_root || to <= 2) {
                        // Nothing is left to take away: the `..` stays.
                        hit_root = true;
                    } else {
                        // `to` stands after `/.`; go back over it and over the segment before.
                        to = back(path, to);
                        if to == 0 {
                            hit_root = true;
                            to = usize::from(!relative && done);
                        }
                        if done {
                            break;
                        }
                        from += 1;
                    }
                } else if to == 0 {
                    if done {
                        break;
                    }
                    from += 1;
                } else if path[to - 1] == b'/' {
                    if done {
                        break;
                    }
                    to -= 1;
                    from += 1;
                }
            } else if (done || path[from] != b'/') && to > 0 {
                hit_root = false;
            }
        }
        if path[from] == b'/' {
            while from < end && path[from + 1] == b'/' {
                from += 1;
            }
            // A relative path does not begin with the slash of a segment that went.
            if relative && to == 0 {
                from += 1;
                continue;
            }
        }
        path[to] = path[from];
        to += 1;
        from += 1;
    }
    if !trailing && to > 0 && path[to - 1] == b'/' {
        to -= 1;
    }
    to
}

/// Where the segment before a back-reference begins: the slash before it, or 0.
fn back(path: &[u8], to: usize) -> usize {
    let mut to = to.saturating_sub(3);
    while to > 0 && path[to] != b'/' {
        to -= 1;
    }
    to
}
