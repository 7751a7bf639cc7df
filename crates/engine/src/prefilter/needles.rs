//! Finds all literals of all rules in one pass over a value, without regard to case.
//!
//! Each literal is filed under six of its bytes, its *key* (shorter ones under four, three or two). For
//! each byte the pass asks a table whether any key ends like the three bytes up to it, for eight bytes at
//! once, and whether one begins like the three bytes that it would begin with; only where one does it asks
//! a bitmap about the whole key, and only then compares. The table tells letters apart and little else, so
//! that it stays in the processor's nearest cache. Keys are chosen so that benign text seldom gets beyond
//! the first question.

use std::collections::HashMap;
use std::ops::Range;

use super::literals::chance;
use super::pass::{BEGINS_FOUR, BEGINS_SIX, CODE_BITS, ENDINGS, LOWER, Pass, with_code};

/// What a literal belongs to: a gate and the bit of its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// The gate.
    pub(crate) gate: u16,
    /// The clause of the gate, as a bit.
    pub(crate) clause: u8,
}

/// Words of the bitmap over hashes of keys.
const KEY_WORDS: usize = 1 << 11;

/// Lengths that keys have, in bytes; the place in the list is a key's kind.
const LENGTHS: [usize; 4] = [2, 3, 4, 6];
const PAIR: usize = 0;
/// Bits of a key that hold its bytes; its kind stands above them.
const KEY_BITS: u32 = 48;
/// For each kind which of the last eight bytes of a text are the key, and the kind's bits.
const KEYS: [(u64, u64); 4] =
    [(0xffff, 0), (0xff_ffff, 1 << KEY_BITS), (0xffff_ffff, 2 << KEY_BITS), ((1 << KEY_BITS) - 1, 3 << KEY_BITS)];

/// What each literal under a key adds to the cost of filing another one there. How likely a text is to have
/// a key is guessed byte by byte, so a whole word or tag that many literals share may be much more likely.
const CROWDING: f64 = 2e-5;

/// All literals, filed.
pub(crate) struct Needles {
    /// For each three bytes the kinds of keys that end or begin so, as bits.
    endings: Box<[u8; ENDINGS]>,
    keys: Box<[u64; KEY_WORDS]>,
    /// Open addressing by hash of the key: key and range of `filed`; an empty range is free.
    table: Vec<(u64, u32, u32)>,
    filed: Vec<Filed>,
    bytes: Vec<u8>,
    owners: Vec<Owner>,
}

/// A literal under its key.
#[derive(Debug, Clone, Copy)]
struct Filed {
    /// The literal's last bytes up to the end of the key, eight at most, and which of the last eight
    /// bytes of the text they are.
    tail: u64,
    mask: u64,
    /// Its text in `bytes`.
    start: u32,
    length: u16,
    /// Bytes of it up to the end of the key.
    before: u16,
    /// Its owners.
    owners: (u32, u32),
}

/// What was found already in one text, so that it is told once.
#[derive(Debug)]
pub(crate) struct Seen {
    /// For each literal the number of the last text that it was found in.
    texts: Vec<u32>,
    text: u32,
    /// Keys under which nothing is left to find, each with the number of the text: direct-mapped.
    exhausted: [(u64, u32); EXHAUSTED],
}

/// Keys remembered to be exhausted.
const EXHAUSTED: usize = 64;

impl Default for Seen {
    fn default() -> Seen {
        Seen { texts: Vec::new(), text: 0, exhausted: [(0, 0); EXHAUSTED] }
    }
}

impl Seen {
    fn begin(&mut self, literals: usize) {
        self.text = self.text.wrapping_add(1);
        if self.texts.len() < literals || self.text == 0 {
            self.texts.clear();
            self.texts.resize(literals, 0);
            self.exhausted = [(0, 0); EXHAUSTED];
            self.text = 1;
        }
    }

    #[inline]
    fn is_exhausted(&self, key: u64) -> bool {
        self.exhausted[key_bit(key) % EXHAUSTED] == (key, self.text)
    }

    fn exhaust(&mut self, key: u64) {
        self.exhausted[key_bit(key) % EXHAUSTED] = (key, self.text);
    }
}

/// The key of a kind that ends a text, given its last eight bytes.
#[inline]
fn key_of(kind: usize, last: u64) -> u64 {
    last & KEYS[kind % 4].0 | KEYS[kind % 4].1
}

/// The codes of the first three bytes of a key.
fn beginning_of(kind: usize, key: u64) -> usize {
    let bytes = key.to_be_bytes();
    let begin = bytes.len() - LENGTHS[kind % 4];
    bytes.iter().skip(begin).take(3).fold(0, |codes, byte| with_code(codes, *byte))
}

/// The bit of a key in the bitmap.
#[inline]
fn key_bit(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 47) as usize
}

impl Needles {
    /// Files the literals, which are in lower case and at least two bytes long.
    pub(crate) fn build(mut literals: Vec<(&[u8], Owner)>) -> Needles {
        literals.retain(|(literal, _)| literal.len() >= 2);
        // Short literals have no choice of keys; the longer ones choose among what those leave.
        literals.sort_unstable_by_key(|(literal, owner)| (literal.len(), *literal, *owner));
        let mut needles = Needles {
            endings: Box::new([0; ENDINGS]),
            keys: Box::new([0; KEY_WORDS]),
            table: Vec::new(),
            filed: Vec::new(),
            bytes: Vec::new(),
            owners: Vec::new(),
        };
        let mut keyed: Vec<(u64, Filed)> = Vec::new();
        let mut taken: HashMap<u64, u32> = HashMap::new();
        for same in literals.chunk_by(|left, right| left.0 == right.0) {
            let Some((literal, _)) = same.first() else { continue };
            let first_owner = needles.owners.len() as u32;
            let mut own: Vec<Owner> = same.iter().map(|(_, owner)| *owner).collect();
            own.dedup();
            needles.owners.extend(own);
            let (key, before) = needles.choose_key(literal, &taken);
            needles.announce(key);
            *taken.entry(key).or_default() += 1;
            let (tail, mask) = tail_of(literal.get(..before).unwrap_or_default());
            let filed = Filed {
                tail,
                mask,
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
            needles.insert(key, begin, needles.filed.len() as u32);
        }
        needles
    }

    /// The key of a literal, and how many bytes of the literal end with the key: the window that text is
    /// least likely to have, that ends like another key already if possible, and under which not many
    /// others are filed: `taken` says how many.
    fn choose_key(&self, literal: &[u8], taken: &HashMap<u64, u32>) -> (u64, usize) {
        let kind = LENGTHS.iter().rposition(|length| *length <= literal.len()).unwrap_or(PAIR);
        let width = LENGTHS[kind].min(literal.len());
        let cost = |window: &[u8]| {
            let ending = window.get(width.saturating_sub(3)..).unwrap_or_default();
            let known = self.endings[ending.iter().fold(0, |codes, byte| with_code(codes, *byte)) % ENDINGS];
            let asked = if known >> kind & 1 == 0 { chance(ending) } else { 0.0 };
            let crowd = taken.get(&key_of(kind, tail_of(window).0)).copied().unwrap_or(0);
            asked + 30.0 * chance(window) + CROWDING * f64::from(crowd)
        };
        let windows = literal.windows(width).enumerate();
        let (offset, window) =
            windows.min_by(|left, right| cost(left.1).total_cmp(&cost(right.1))).unwrap_or((0, literal));
        (key_of(kind, tail_of(window).0), offset + width)
    }

    /// Makes the pass stop at a key.
    fn announce(&mut self, key: u64) {
        let [.., third, second, last] = key.to_be_bytes();
        let kind = (key >> KEY_BITS) as usize;
        let ending = with_code(with_code(with_code(0, third), second), last);
        // Before two bytes anything may stand.
        let before = if kind == PAIR { 1 << CODE_BITS } else { 1 };
        for code in 0..before {
            self.endings[(ending | code << (2 * CODE_BITS)) % ENDINGS] |= 1 << kind;
        }
        let begins = [0, 0, BEGINS_FOUR, BEGINS_SIX][kind % 4];
        self.endings[beginning_of(kind, key) % ENDINGS] |= begins;
        let bit = key_bit(key);
        self.keys[(bit >> 6) % KEY_WORDS] |= 1 << (bit & 63);
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

    /// Where the literals of a key are filed.
    fn find(&self, key: u64) -> Range<usize> {
        let mask = self.table.len() - 1;
        let mut slot = slot_of(key) & mask;
        while let Some((known, begin, end)) = self.table.get(slot).copied() {
            if begin == end {
                break;
            }
            if known == key {
                return begin as usize..end as usize;
            }
            slot = (slot + 1) & mask;
        }
        0..0
    }

    /// Calls `sink` with the owners of every literal found, once each.
    pub(crate) fn scan(&self, value: &[u8], seen: &mut Seen, mut sink: impl FnMut(&[Owner])) {
        seen.begin(self.filed.len());
        let (chunks, rest) = value.as_chunks::<8>();
        let mut pass = Pass::default();
        for (number, chunk) in chunks.iter().enumerate() {
            let stops = pass.advance(*chunk, &self.endings);
            self.ask(stops, &pass, value, number * 8, seen, &mut sink);
        }
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        let stops = pass.advance(last, &self.endings) & !(u64::MAX << (8 * rest.len()));
        self.ask(stops, &pass, value, value.len() - rest.len(), seen, &mut sink);
    }

    /// Looks for keys that end where the pass stops, in the eight bytes at `start`.
    #[inline]
    fn ask(
        &self,
        mut stops: u64,
        pass: &Pass,
        value: &[u8],
        start: usize,
        seen: &mut Seen,
        sink: &mut impl FnMut(&[Owner]),
    ) {
        while stops != 0 {
            let stop = stops.trailing_zeros() as usize;
            stops &= stops - 1;
            let (place, kind) = (stop / 8, stop % 8);
            let last = pass.last(place);
            let key = key_of(kind, last);
            if self.is_key(key) && !seen.is_exhausted(key) {
                self.compare(key, last, value, start + place, seen, sink);
            }
        }
    }

    /// Whether there may be such a key.
    #[inline]
    fn is_key(&self, key: u64) -> bool {
        let bit = key_bit(key);
        self.keys[(bit >> 6) % KEY_WORDS] >> (bit & 63) & 1 == 1
    }

    /// Compares the literals filed under a key whose last byte is at `at`.
    #[inline(never)]
    fn compare(&self, key: u64, last: u64, value: &[u8], at: usize, seen: &mut Seen, sink: &mut impl FnMut(&[Owner])) {
        let range = self.find(key);
        let filed = self.filed.get(range.clone()).unwrap_or_default();
        let mut left = 0;
        for (filed, known) in filed.iter().zip(seen.texts.get_mut(range).unwrap_or_default()) {
            if last & filed.mask == filed.tail && *known != seen.text && self.is_here(filed, value, at) {
                *known = seen.text;
                let (begin, end) = filed.owners;
                sink(self.owners.get(begin as usize..end as usize).unwrap_or_default());
            }
            left += usize::from(*known != seen.text);
        }
        if left == 0 {
            seen.exhaust(key);
        }
    }

    /// Whether the whole literal is in the text around the key that ends at `at`.
    fn is_here(&self, filed: &Filed, value: &[u8], at: usize) -> bool {
        let length = usize::from(filed.length);
        let text = (at + 1).checked_sub(usize::from(filed.before)).and_then(|start| value.get(start..start + length));
        let literal = self.bytes.get(filed.start as usize..filed.start as usize + length);
        match (text, literal) {
            (Some(text), Some(literal)) => {
                // The tail has been compared.
                let is_tail = filed.length == filed.before && length <= 8;
                is_tail || text.iter().zip(literal).all(|(byte, wanted)| LOWER[usize::from(*byte)] == *wanted)
            }
            _ => false,
        }
    }

    /// Bytes of memory the literals take.
    pub(crate) fn memory(&self) -> usize {
        ENDINGS
            + KEY_WORDS * 8
            + self.table.len() * size_of::<(u64, u32, u32)>()
            + self.filed.len() * size_of::<Filed>()
            + self.bytes.len()
            + self.owners.len() * size_of::<Owner>()
    }
}

fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

/// The last eight bytes of a text as a number, and the mask of those there are.
fn tail_of(text: &[u8]) -> (u64, u64) {
    let tail = text.get(text.len().saturating_sub(8)..).unwrap_or_default();
    tail.iter().fold((0, 0), |(tail, mask), byte| (tail << 8 | u64::from(*byte), mask << 8 | 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(literals: &[&str], text: &[u8]) -> Vec<u16> {
        let literals: Vec<_> = literals
            .iter()
            .enumerate()
            .map(|(gate, literal)| (literal.as_bytes(), Owner { gate: gate as u16, clause: 1 }))
            .collect();
        let mut hits = Vec::new();
        Needles::build(literals)
            .scan(text, &mut Seen::default(), |owners| hits.extend(owners.iter().map(|owner| owner.gate)));
        hits.sort_unstable();
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
