//! Distinct strings, each once, with what has been worked out about it: the kinds of bytes it has, its
//! images under transformations, the gates of rules it opens.

use std::ops::Range;

use super::recall::{self, Fingerprint};
use crate::prefilter::classes::{self, ClassSet};
use crate::variables::key_hash;

/// No row, no string, no hash.
const NONE: u32 = u32::MAX;

/// A string.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its text in the buffer.
    start: u32,
    length: u32,
    hash: u64,
    classes: ClassSet,
    /// Row in `images`, or `NONE`.
    images: u32,
    /// Row in each of `gates`, or `NONE`.
    gates: [u32; 2],
    /// A string of which it is the lower case, or `NONE`.
    original: u32,
    /// Hash of its text without case, or `NONE`.
    key_hash: u32,
    /// Worked out when it is first asked for.
    fingerprint: Option<Fingerprint>,
    /// Whether gates that its text opens have been closed, for each prefilter.
    refuted: [bool; 2],
}

impl Entry {
    /// Where its text is in the buffer.
    fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// Strings and what is known about them.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Their texts; the owner may put other text between them.
    pub(super) bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Open addressing: index of an entry plus one, 0 for free.
    table: Vec<u32>,
    images: Vec<u32>,
    /// Results of the request's and the response's prefilter.
    gates: [Vec<u64>; 2],
}

/// Where a text that is not there would be put in the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vacancy(usize);

impl Strings {
    /// Forgets all strings, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.images.clear();
        self.gates.iter_mut().for_each(Vec::clear);
        if self.table.is_empty() {
            self.table.resize(256, 0);
        } else {
            self.table.fill(0);
        }
    }

    /// Forgets all strings, and the memory above some bytes per table.
    pub(super) fn shrink(&mut self, keep: usize) {
        if self.table.len() > keep / 4 {
            self.table = Vec::new();
        }
        self.clear();
        self.bytes.shrink_to(keep);
        self.images.shrink_to(keep / 4);
        self.gates.iter_mut().for_each(|gates| gates.shrink_to(keep / 8));
        self.entries.shrink_to(keep / size_of::<Entry>());
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.bytes.len()
            + self.entries.len() * Strings::ENTRY
            + self.images.len() * 4
            + (self.gates[0].len() + self.gates[1].len()) * 8
    }

    /// Bytes that a string takes beside its text.
    pub(super) const ENTRY: usize = size_of::<Entry>();

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Start and length of a string's text.
    pub(super) fn place(&self, index: u32) -> (u32, u32) {
        self.entries.get(index as usize).map(|entry| (entry.start, entry.length)).unwrap_or_default()
    }

    /// A part of the buffer.
    pub(super) fn get(&self, start: u32, length: u32) -> &[u8] {
        self.bytes.get(start as usize..start as usize + length as usize).unwrap_or_default()
    }

    /// The kinds of bytes a string has.
    pub(super) fn classes(&self, index: u32) -> ClassSet {
        self.entries.get(index as usize).map_or(0, |entry| entry.classes)
    }

    /// Hash of a string without case, by which names are looked up.
    pub(super) fn key_hash(&mut self, index: u32) -> u32 {
        let Some(entry) = self.entries.get_mut(index as usize) else { return NONE };
        if entry.key_hash == NONE {
            entry.key_hash = key_hash(self.bytes.get(entry.range()).unwrap_or_default());
        }
        entry.key_hash
    }

    /// What tells a string from all others in later transactions too.
    pub(super) fn fingerprint(&mut self, index: u32, key: u64) -> Option<Fingerprint> {
        let entry = self.entries.get_mut(index as usize)?;
        if entry.fingerprint.is_none() {
            entry.fingerprint = Some(recall::fingerprint(self.bytes.get(entry.range())?, key));
        }
        entry.fingerprint
    }

    /// The string with this text and hash.
    pub(super) fn find(&self, text: &[u8], hash: u64) -> Result<u32, Vacancy> {
        let mask = self.table.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        loop {
            match self.table.get(slot) {
                None | Some(0) => return Err(Vacancy(slot)),
                Some(number) => {
                    let known = self.entries.get(*number as usize - 1);
                    if known.is_some_and(|e| e.hash == hash && self.get(e.start, e.length) == text) {
                        return Ok(number - 1);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a string whose text is in the buffer.
    pub(super) fn insert(&mut self, start: u32, length: u32, hash: u64, Vacancy(slot): Vacancy) -> u32 {
        let index = self.entries.len() as u32;
        let classes = classes::of(self.get(start, length));
        self.entries.push(Entry {
            start,
            length,
            hash,
            classes,
            images: NONE,
            gates: [NONE; 2],
            original: NONE,
            key_hash: NONE,
            fingerprint: None,
            refuted: [false; 2],
        });
        if let Some(place) = self.table.get_mut(slot) {
            *place = index + 1;
        }
        if self.entries.len() * 2 > self.table.len() {
            self.grow();
        }
        index
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(256);
        self.table.clear();
        self.table.resize(size, 0);
        for (index, entry) in self.entries.iter().enumerate() {
            let mut slot = entry.hash as usize & (size - 1);
            while self.table.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & (size - 1);
            }
            if let Some(place) = self.table.get_mut(slot) {
                *place = index as u32 + 1;
            }
        }
    }

    /// The image of a string in a column of its row, if it is known.
    pub(super) fn image(&self, index: u32, column: usize, columns: usize) -> Option<u32> {
        let row = self.entries.get(index as usize)?.images;
        if row == NONE {
            return None;
        }
        self.images.get(row as usize * columns + column).copied().filter(|image| *image != NONE)
    }

    /// Whether a string has a row of images.
    pub(super) fn has_images(&self, index: u32) -> bool {
        self.entries.get(index as usize).is_some_and(|entry| entry.images != NONE)
    }

    /// Notes an image of a string; the first one makes a row of `columns`.
    pub(super) fn set_image(&mut self, index: u32, column: usize, columns: usize, image: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        if entry.images == NONE {
            entry.images = self.images.len().checked_div(columns).unwrap_or(0) as u32;
            self.images.resize(self.images.len() + columns, NONE);
        }
        if let Some(cell) = self.images.get_mut(entry.images as usize * columns + column) {
            *cell = image;
        }
    }

    /// Notes that a string is the lower case of another one, and so opens the same gates.
    pub(super) fn set_original(&mut self, index: u32, original: u32) {
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.original = original;
        }
    }

    /// Whether the gates that a string opens are known.
    #[inline]
    pub(super) fn is_scanned(&self, index: u32, which: usize) -> bool {
        self.entries.get(index as usize).is_none_or(|entry| entry.gates.get(which) != Some(&NONE))
    }

    /// Makes the row of a string's gates, which `scan` fills from the text and its kinds of bytes.
    pub(super) fn add_gates(
        &mut self,
        index: u32,
        which: usize,
        words: usize,
        scan: impl FnOnce(&[u8], ClassSet, &mut [u64]),
    ) {
        let original = self.entries.get(index as usize).and_then(|entry| self.entries.get(entry.original as usize));
        let same = original.filter(|original| !original.refuted[which & 1]).map(|original| original.gates[which & 1]);
        let (Some(entry), Some(gates)) = (self.entries.get_mut(index as usize), self.gates.get_mut(which)) else {
            return;
        };
        let begin = gates.len();
        entry.gates[which & 1] = begin.checked_div(words).unwrap_or(0) as u32;
        match same.filter(|row| *row != NONE) {
            Some(row) => gates.extend_from_within(row as usize * words..(row as usize + 1) * words),
            None => {
                gates.resize(begin + words, 0);
                let text = self.bytes.get(entry.range());
                scan(text.unwrap_or_default(), entry.classes, gates.get_mut(begin..).unwrap_or_default());
            }
        }
    }

    /// The gates a scanned string opens; empty if it was not scanned.
    #[inline]
    pub(super) fn gates(&self, index: u32, which: usize, words: usize) -> &[u64] {
        match self.entries.get(index as usize).and_then(|entry| entry.gates.get(which)) {
            Some(row) if *row != NONE => {
                let row = *row as usize * words;
                self.gates.get(which).and_then(|gates| gates.get(row..row + words)).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Closes a gate of a scanned string: its rule was tried and does not match it.
    pub(super) fn close_gate(&mut self, index: u32, which: usize, words: usize, gate: usize) {
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        let row = entry.gates[which & 1];
        if row != NONE
            && let Some(word) = self.gates.get_mut(which).and_then(|g| g.get_mut(row as usize * words + gate / 64))
        {
            *word &= !(1 << (gate % 64));
            entry.refuted[which & 1] = true;
        }
    }
}
