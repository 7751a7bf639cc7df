//! `t:cmdLine`: what a command line means to a Windows or Unix shell.

/// What happens to a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Copied.
    Plain,
    /// Copied in lower case.
    Upper,
    /// Dropped: `" ' \ ^`.
    Dropped,
    /// Part of a run that becomes one space: space, `, ;`, tab, CR, LF.
    Space,
    /// Takes the space before it away: `/ (`.
    Opening,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'"' | b'\'' | b'\\' | b'^' => Class::Dropped,
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => Class::Space,
            b'/' | b'(' => Class::Opening,
            b'A'..=b'Z' => Class::Upper,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Drops `" ' \ ^`, turns runs of space, `,` and `;` into one space, drops that before `/` and `(`,
/// and lowers the case.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(start) = first_change(input) else { return false };
    // No branches, as the classes of neighbouring bytes cannot be predicted; `to` never overtakes.
    out.extend_from_slice(input);
    let mut to = start;
    let mut in_space = start > 0 && input[start - 1] == b' ';
    for &byte in &input[start..] {
        let class = class(byte);
        let space = class == Class::Space;
        to -= usize::from(class == Class::Opening && in_space);
        out[to] = if space { b' ' } else { byte.to_ascii_lowercase() };
        to += usize::from(class != Class::Dropped && !(space && in_space));
        in_space = space || (in_space && class == Class::Dropped);
    }
    out.truncate(to);
    true
}

/// Where the first byte stands that the transformation changes or that makes it change its neighbour.
fn first_change(input: &[u8]) -> Option<usize> {
    let mut after_space = false;
    for (at, &byte) in input.iter().enumerate() {
        let class = class(byte);
        let changes = match class {
            Class::Plain => false,
            Class::Upper | Class::Dropped => true,
            Class::Space => after_space || byte != b' ',
            Class::Opening => after_space,
        };
        if changes {
            return Some(at);
        }
        after_space = class == Class::Space;
    }
    None
}
