//! `t:cmdLine`: what a command line means to a Windows or Unix shell.

/// Dropped: `" ' \ ^`.
const DROPPED: u8 = 1;
/// Part of a run that becomes one space: space, `, ;`, tab, CR, LF.
const SPACE: u8 = 2;
/// Takes the space before it away: `/ (`.
const OPENING: u8 = 4;
/// Becomes another byte.
const REPLACED: u8 = 8;

/// What happens to a byte.
#[derive(Clone, Copy)]
struct Fate {
    kind: u8,
    /// What it becomes.
    byte: u8,
}

const FATES: [Fate; 256] = {
    let mut fates = [Fate { kind: 0, byte: 0 }; 256];
    let mut byte = 0;
    while byte < 256 {
        let same = byte as u8;
        let (kind, becomes) = match same {
            b'"' | b'\'' | b'\\' | b'^' => (DROPPED, same),
            b' ' => (SPACE, same),
            b',' | b';' | b'\t' | b'\r' | b'\n' => (SPACE | REPLACED, b' '),
            b'/' | b'(' => (OPENING, same),
            b'A'..=b'Z' => (REPLACED, same.to_ascii_lowercase()),
            _ => (0, same),
        };
        fates[byte] = Fate { kind, byte: becomes };
        byte += 1;
    }
    fates
};

/// What to do at a byte.
#[derive(Clone, Copy)]
struct Move {
    /// What it becomes.
    byte: u8,
    /// How far to go back before it is written: over the space before it.
    back: u8,
    /// How far to go on behind it.
    forward: u8,
    /// Whether what is written then ends in a run of space.
    in_space: bool,
}

/// Moves by whether what is written ends in a run of space, and by byte.
const MOVES: [[Move; 256]; 2] = {
    let mut moves = [[Move { byte: 0, back: 0, forward: 0, in_space: false }; 256]; 2];
    let mut at = 0;
    while at < 512 {
        let (in_space, Fate { kind, byte }) = (at >= 256, FATES[at % 256]);
        let (space, dropped) = (kind & SPACE != 0, kind & DROPPED != 0);
        moves[at / 256][at % 256] = Move {
            byte,
            back: (kind & OPENING != 0 && in_space) as u8,
            forward: !(dropped || (space && in_space)) as u8,
            in_space: space || (in_space && dropped),
        };
        at += 1;
    }
    moves
};

/// Drops `" ' \ ^`, turns runs of space, `,` and `;` into one space, drops that before `/` and `(`,
/// and lowers the case.
pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(start) = first_change(input) else { return false };
    // No branches, as the kinds of neighbouring bytes cannot be predicted; `to` never overtakes.
    out.extend_from_slice(input);
    let mut to = start;
    let mut in_space = start > 0 && input[start - 1] == b' ';
    for &byte in &input[start..] {
        let next = MOVES[usize::from(in_space)][usize::from(byte)];
        to -= usize::from(next.back);
        out[to] = next.byte;
        to += usize::from(next.forward);
        in_space = next.in_space;
    }
    out.truncate(to);
    true
}

/// Where the first byte stands that the transformation changes or that makes it change its neighbour.
fn first_change(input: &[u8]) -> Option<usize> {
    let mut after_space = false;
    input.iter().position(|&byte| {
        let Fate { kind, .. } = FATES[usize::from(byte)];
        let changes = kind & (DROPPED | REPLACED) != 0 || (after_space && kind & (SPACE | OPENING) != 0);
        after_space = kind & SPACE != 0;
        changes
    })
}
