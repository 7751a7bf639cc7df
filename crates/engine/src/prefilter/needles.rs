//! Finds all literals of all rules in one pass over a value, without regard to case.
//!
//! Each literal is filed under its rarest four bytes (shorter ones under all of theirs). The pass keeps the
//! last four bytes, folded to lower case, and asks three small bitmaps whether any literal is filed
//! under them; only then the table is consulted and the literal compared in full. The bitmaps fit
//! into the first-level cache, which a transition table over thousands of literals does not.

use super::literals::chance;

/// What a literal belongs to: a gate and the bit of its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// The gate.
    pub(crate) gate: u16,
    /// The clause of the gate, as a bit.
    pub(crate) clause: u8,
}

/// Words of the bitmap over hashes of four bytes.
const LONG_WORDS: usize = 1 << 11;
/// Words of the bitmap over hashes of three bytes.
const TRIPLE_WORDS: usize = 1 << 10;
/// Words of the bitmap over pairs of bytes.
const PAIR_WORDS: usize = 1 << 10;

/// All literals, filed.
pub(crate) struct Needles {
    long: Box<[u64; LONG_WORDS]>,
    triples: Box<[u64; TRIPLE_WORDS]>,
    pairs: Box<[u64; PAIR_WORDS]>,
    /// Open addressing by hash of the key: key and range of `filed`; an empty range is free.
    table: Vec<(u64, u32, u32)>,
    filed: Vec<Filed>,
    bytes: Vec<u8>,
    owners: Vec<Owner>,
}

/// A literal under its key.
#[derive(Debug, Clone, Copy)]
struct Filed {
    /// Its text in `bytes`.
    start: u32,
    length: u16,
    /// Bytes of it up to the end of the key.
    before: u16,
    /// Its owners.
    owners: (u32, u32),
}

const LOWER: [u8; 256] = {
    let mut lower = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        lower[byte] = (byte as u8).to_ascii_lowercase();
        byte += 1;
    }
    lower
};

/// Marks keys of two bytes, which share a table with the longer ones.
const PAIR: u64 = 1 << 32;
/// Marks keys of three bytes.
const TRIPLE: u64 = 1 << 33;

fn long_bit(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 15) as usize
}

fn triple_bit(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

impl Needles {
    /// Files the literals, which are in lower case and at least two bytes long.
    pub(crate) fn build(literals: &[(Vec<u8>, Owner)]) -> Needles {
        let mut sorted: Vec<&(Vec<u8>, Owner)> = literals.iter().filter(|(literal, _)| literal.len() >= 2).collect();
        sorted.sort_unstable();
        let mut needles = Needles {
            long: Box::new([0; LONG_WORDS]),
            triples: Box::new([0; TRIPLE_WORDS]),
            pairs: Box::new([0; PAIR_WORDS]),
            table: Vec::new(),
            filed: Vec::new(),
            bytes: Vec::new(),
            owners: Vec::new(),
        };
        let mut keyed: Vec<(u64, Filed)> = Vec::new();
        for same in sorted.chunk_by(|left, right| left.0 == right.0) {
            let Some((literal, _)) = same.first() else { continue };
            let first_owner = needles.owners.len() as u32;
            let mut own: Vec<Owner> = same.iter().map(|(_, owner)| *owner).collect();
            own.dedup();
            needles.owners.extend(own);
            let (key, before) = key_of(literal);
            let filed = Filed {
                start: needles.bytes.len() as u32,
                length: literal.len() as u16,
                before: before as u16,
                owners: (first_owner, needles.owners.len() as u32),
            };
            needles.bytes.extend_from_slice(literal);
            keyed.push((key, filed));
        }
        keyed.sort_unstable_by_key(|(key, filed)| (*key, filed.start));
        needles.table = vec![(0, 0, 0); (keyed.len() * 2).next_power_of_two().max(2)];
        for same in keyed.chunk_by(|left, right| left.0 == right.0) {
            let Some((key, _)) = same.first().copied() else { continue };
            let begin = needles.filed.len() as u32;
            needles.filed.extend(same.iter().map(|(_, filed)| *filed));
            let end = needles.filed.len() as u32;
            let bytes = key as u32;
            if key & PAIR != 0 {
                needles.pairs[(bytes >> 6) as usize % PAIR_WORDS] |= 1 << (bytes & 63);
            } else if key & TRIPLE != 0 {
                let bit = triple_bit(bytes);
                needles.triples[(bit >> 6) % TRIPLE_WORDS] |= 1 << (bit & 63);
            } else {
                let bit = long_bit(bytes);
                needles.long[(bit >> 6) % LONG_WORDS] |= 1 << (bit & 63);
            }
            needles.insert(key, begin, end);
        }
        needles
    }

    fn insert(&mut self, key: u64, begin: u32, end: u32) {
        let mask = self.table.len() - 1;
        let mut slot = slot_of(key) & mask;
        while let Some(place) = self.table.get_mut(slot) {
            if place.1 == place.2 {
                *place = (key, begin, end);
                return;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn find(&self, key: u64) -> &[Filed] {
        let mask = self.table.len() - 1;
        let mut slot = slot_of(key) & mask;
        while let Some((known, begin, end)) = self.table.get(slot).copied() {
            if begin == end {
                break;
            }
            if known == key {
                return self.filed.get(begin as usize..end as usize).unwrap_or_default();
            }
            slot = (slot + 1) & mask;
        }
        &[]
    }

    /// Calls `sink` with the owners of every literal found, possibly more than once each.
    pub(crate) fn scan(&self, value: &[u8], mut sink: impl FnMut(&[Owner])) {
        let mut last = 0u32;
        for (at, byte) in value.iter().enumerate() {
            last = last << 8 | u32::from(LOWER[usize::from(*byte)]);
            let bit = long_bit(last);
            if self.long[(bit >> 6) % LONG_WORDS] >> (bit & 63) & 1 == 1 {
                self.compare(u64::from(last), value, at, &mut sink);
            }
            let bit = triple_bit(last & 0xff_ffff);
            if self.triples[(bit >> 6) % TRIPLE_WORDS] >> (bit & 63) & 1 == 1 {
                self.compare(u64::from(last & 0xff_ffff) | TRIPLE, value, at, &mut sink);
            }
            let pair = last & 0xffff;
            if self.pairs[(pair >> 6) as usize % PAIR_WORDS] >> (pair & 63) & 1 == 1 {
                self.compare(u64::from(pair) | PAIR, value, at, &mut sink);
            }
        }
    }

    /// Compares the literals filed under a key whose last byte is at `at`.
    #[inline(never)]
    fn compare(&self, key: u64, value: &[u8], at: usize, sink: &mut impl FnMut(&[Owner])) {
        for filed in self.find(key) {
            let Some(start) = (at + 1).checked_sub(usize::from(filed.before)) else { continue };
            let length = usize::from(filed.length);
            let (Some(text), Some(literal)) =
                (value.get(start..start + length), self.bytes.get(filed.start as usize..filed.start as usize + length))
            else {
                continue;
            };
            if text.iter().zip(literal).all(|(byte, wanted)| LOWER[usize::from(*byte)] == *wanted) {
                let (begin, end) = filed.owners;
                sink(self.owners.get(begin as usize..end as usize).unwrap_or_default());
            }
        }
    }

    /// Bytes of memory the literals take.
    pub(crate) fn memory(&self) -> usize {
        (LONG_WORDS + TRIPLE_WORDS + PAIR_WORDS) * 8
            + self.table.len() * size_of::<(u64, u32, u32)>()
            + self.filed.len() * size_of::<Filed>()
            + self.bytes.len()
            + self.owners.len() * size_of::<Owner>()
    }
}

fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

/// The key of a literal, and how many bytes of the literal end with the key.
fn key_of(literal: &[u8]) -> (u64, usize) {
    let width = literal.len().min(4);
    let windows = literal.windows(width).enumerate();
    let rarest = windows.min_by(|left, right| chance(left.1).total_cmp(&chance(right.1)));
    let (offset, window) = rarest.unwrap_or((0, literal));
    let key = window.iter().fold(0u64, |key, byte| key << 8 | u64::from(*byte));
    let kind = match width {
        2 => PAIR,
        3 => TRIPLE,
        _ => 0,
    };
    (key | kind, offset + width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(literals: &[&str], text: &[u8]) -> Vec<u16> {
        let literals: Vec<_> = literals
            .iter()
            .enumerate()
            .map(|(gate, literal)| (literal.as_bytes().to_vec(), Owner { gate: gate as u16, clause: 1 }))
            .collect();
        let mut hits = Vec::new();
        Needles::build(&literals).scan(text, |owners| hits.extend(owners.iter().map(|owner| owner.gate)));
        hits.sort_unstable();
        hits.dedup();
        hits
    }

    #[test]
    fn overlapping_and_nested_literals_are_all_found() {
        assert_eq!(found(&["he", "she", "his", "hers", "xx"], b"uSHErs"), [0, 1, 3]);
        assert_eq!(found(&["select", "elect", "ele", "union"], b"SeLeCt"), [0, 1, 2]);
        assert_eq!(found(&["aa", "aaa", "aaaa", "aaaaa", "bb"], b"aaaa"), [0, 1, 2]);
        assert_eq!(found(&["\0\0", "\0\0\0\0\0"], b"\0\0\0"), [0]);
        assert_eq!(found(&["ab"], b""), [] as [u16; 0]);
        assert_eq!(found(&[], b"abc"), [] as [u16; 0]);
    }

    #[test]
    fn what_a_plain_search_finds_is_found() {
        let mut state = 1u64;
        let mut next = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % most
        };
        for _ in 0..2000 {
            let literals: Vec<String> =
                (0..8).map(|_| (0..2 + next(7)).map(|_| ['a', 'b', '-'][next(3)]).collect()).collect();
            let text: String = (0..next(30)).map(|_| ['a', 'B', 'b', '-', 'x'][next(5)]).collect();
            let lower = text.to_lowercase();
            let names: Vec<&str> = literals.iter().map(String::as_str).collect();
            let expected: Vec<u16> =
                (0..8u16).filter(|at| lower.contains(literals[usize::from(*at)].as_str())).collect();
            assert_eq!(found(&names, text.as_bytes()), expected, "{literals:?} in {text}");
        }
    }
}
