//! The bytes of a transaction: every distinct string once, with what has been worked out about it.
//!
//! All text lives in one buffer; a [`Span`] is a place in it. Request and response data is
//! *interned*: equal strings share one [`StringId`], and each string carries the kinds of bytes it
//! has, its image under each transformation, and the gates of rules it opens, each worked out at most
//! once. A string that a transformation leaves alone is its own image.

use parapet_seclang::ast::Transformation;

use super::budget::Budget;
use crate::limits::{Limit, Limits};
use crate::policy::chains::{ChainId, Chains};
use crate::prefilter::classes::{self, ClassSet};
use crate::prefilter::{Prefilter, Scratch};
use crate::transformations;

/// A place in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Length in bytes.
    pub(crate) fn len(self) -> usize {
        self.length as usize
    }

    /// A part of this span, clipped to it.
    pub(crate) fn part(self, start: usize, end: usize) -> Span {
        let end = end.min(self.len());
        let start = start.min(end);
        Span { start: self.start + start as u32, length: (end - start) as u32 }
    }
}

/// A distinct string of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct StringId(u32);

impl StringId {
    /// The empty string.
    pub(crate) const EMPTY: StringId = StringId(0);
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    span: Span,
    hash: u64,
    classes: ClassSet,
    /// Row in `images`, or `NONE`.
    images: u32,
    /// Row in each of `gates`, or `NONE`.
    gates: [u32; 2],
}

/// The buffer and the strings in it.
#[derive(Default)]
pub(crate) struct Store {
    bytes: Vec<u8>,
    limit: usize,
    /// What was spent on reading and writing them.
    pub(crate) budget: Budget,
    /// Transforms every time anew, whatever the classes of a string say.
    anew: bool,
    seed: u64,
    entries: Vec<Entry>,
    /// Open addressing: index of an entry plus one, 0 for free.
    table: Vec<u32>,
    images: Vec<u32>,
    /// Results of the request's and the response's prefilter.
    gates: [Vec<u64>; 2],
    scratch: Vec<u8>,
    scans: [Scratch; 2],
}

impl Store {
    /// Empties the store for the next transaction, keeping its memory. `seed` makes hash collisions
    /// unpredictable; `anew` forgets transformations at once.
    pub(crate) fn reset(&mut self, limits: &Limits, seed: u64, anew: bool) {
        self.anew = anew;
        self.bytes.clear();
        self.entries.clear();
        self.images.clear();
        self.gates.iter_mut().for_each(Vec::clear);
        if self.table.is_empty() {
            self.table.resize(256, 0);
        } else {
            self.table.fill(0);
        }
        self.limit = limits.working_bytes.min(u32::MAX as usize);
        self.budget = Budget::new(limits);
        self.seed = seed;
        self.intern(b"");
    }

    /// Forgets transformations at once from now on.
    pub(crate) fn transform_anew(&mut self) {
        self.anew = true;
    }

    /// Gives memory back that an unusually large transaction took.
    pub(crate) fn shrink(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.scratch.clear();
        self.scratch.shrink_to(keep);
        self.images.clear();
        self.images.shrink_to(keep / 4);
        for gates in &mut self.gates {
            gates.clear();
            gates.shrink_to(keep / 8);
        }
        self.entries.clear();
        self.entries.shrink_to(keep / size_of::<Entry>());
        if self.table.len() > keep / 4 {
            self.table = Vec::new();
        }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.bytes.len()
            + self.entries.len() * size_of::<Entry>()
            + self.images.len() * 4
            + self.gates.iter().map(|gates| gates.len() * 8).sum::<usize>()
    }

    /// The text of a span.
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.start as usize + span.len()).unwrap_or_default()
    }

    /// The text of a string.
    pub(crate) fn text(&self, id: StringId) -> &[u8] {
        self.get(self.span(id))
    }

    /// Where a string lies.
    pub(crate) fn span(&self, id: StringId) -> Span {
        self.entries.get(id.0 as usize).map(|entry| entry.span).unwrap_or_default()
    }

    /// Appends text; over the limit nothing is stored and the store is marked.
    pub(crate) fn push(&mut self, text: &[u8]) -> Span {
        self.budget.read(text.len());
        if !self.has_room(text.len()) {
            return Span::default();
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Span { start, length: text.len() as u32 }
    }

    /// Whether so much more may be held; if not, the limit is met.
    fn has_room(&mut self, more: usize) -> bool {
        let room = self.used() + more <= self.limit;
        if !room {
            self.budget.meet(Limit::WorkingBytes);
        }
        room
    }

    /// Begins a text that is appended piece by piece; [`Store::finish`] ends it.
    pub(crate) fn begin(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the text of a span.
    pub(crate) fn push_span(&mut self, span: Span) {
        self.budget.read(span.len());
        if !self.has_room(span.len()) {
            return;
        }
        let start = span.start as usize;
        if start + span.len() <= self.bytes.len() {
            self.bytes.extend_from_within(start..start + span.len());
        }
    }

    /// The text appended since [`Store::begin`].
    pub(crate) fn finish(&self, begin: usize) -> Span {
        Span { start: begin as u32, length: self.bytes.len().saturating_sub(begin) as u32 }
    }

    /// The string with this text.
    pub(crate) fn intern(&mut self, text: &[u8]) -> StringId {
        self.budget.read(text.len());
        let hash = hash(text, self.seed);
        match self.find(text, hash) {
            Ok(id) => id,
            Err(_) if !self.has_room(text.len() + size_of::<Entry>()) => StringId::EMPTY,
            Err(slot) => {
                let span = self.push(text);
                self.insert(span, hash, slot)
            }
        }
    }

    /// The string with the text of a span.
    pub(crate) fn intern_span(&mut self, span: Span) -> StringId {
        self.budget.read(span.len());
        let text = self.bytes.get(span.start as usize..span.start as usize + span.len()).unwrap_or_default();
        let hash = hash(text, self.seed);
        match self.find(text, hash) {
            Ok(id) => id,
            Err(_) if !self.has_room(size_of::<Entry>()) => StringId::EMPTY,
            Err(slot) => self.insert(span, hash, slot),
        }
    }

    fn find(&self, text: &[u8], hash: u64) -> Result<StringId, usize> {
        let mask = self.table.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        loop {
            match self.table.get(slot) {
                None | Some(0) => return Err(slot),
                Some(entry) => {
                    let id = StringId(entry - 1);
                    if self.entries.get(id.0 as usize).is_some_and(|entry| entry.hash == hash) && self.text(id) == text
                    {
                        return Ok(id);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn insert(&mut self, span: Span, hash: u64, slot: usize) -> StringId {
        let id = StringId(self.entries.len() as u32);
        let classes = classes::of(self.get(span));
        self.entries.push(Entry { span, hash, classes, images: NONE, gates: [NONE; 2] });
        if let Some(place) = self.table.get_mut(slot) {
            *place = id.0 + 1;
        }
        if self.entries.len() * 2 > self.table.len() {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        let size = self.table.len() * 2;
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

    /// The kinds of bytes a string has.
    pub(crate) fn classes(&self, id: StringId) -> ClassSet {
        self.entries.get(id.0 as usize).map_or(0, |entry| entry.classes)
    }

    /// The image of a string under a chain of transformations.
    pub(crate) fn transform(&mut self, id: StringId, chain: ChainId, chains: &Chains) -> StringId {
        let chain = chains.get(chain);
        if self.classes(id) & chain.changing == 0 && !chain.always && !self.anew {
            return id;
        }
        let mut image = id;
        for step in &chain.steps {
            image = self.step(image, *step, chains);
        }
        image
    }

    /// The image of a string under one transformation.
    #[inline]
    pub(crate) fn step(&mut self, id: StringId, step: u8, chains: &Chains) -> StringId {
        let Some(kind) = chains.step(step) else { return id };
        if self.anew {
            return self.apply(self.span(id), kind.transformation).unwrap_or(id);
        }
        if self.classes(id) & kind.changing == 0 && !kind.always {
            return id;
        }
        self.step_now(id, step, kind.transformation, chains.width())
    }

    fn step_now(&mut self, id: StringId, step: u8, transformation: Transformation, width: usize) -> StringId {
        let Some(Entry { images, span, .. }) = self.entries.get(id.0 as usize).copied() else { return id };
        let row = if images == NONE {
            if !self.has_room(width * 4) {
                return id;
            }
            let row = self.images.len() / width;
            self.images.resize(self.images.len() + width, NONE);
            if let Some(entry) = self.entries.get_mut(id.0 as usize) {
                entry.images = row as u32;
            }
            row
        } else {
            images as usize
        };
        let cell = row * width + usize::from(step);
        if let Some(image) = self.images.get(cell).filter(|image| **image != NONE) {
            return StringId(*image);
        }
        let image = self.apply(span, transformation).unwrap_or(id);
        if let Some(cell) = self.images.get_mut(cell) {
            *cell = image.0;
        }
        image
    }

    /// The image of a text, if the transformation changes it.
    fn apply(&mut self, span: Span, transformation: Transformation) -> Option<StringId> {
        self.budget.read(span.len());
        let mut out = std::mem::take(&mut self.scratch);
        let changed = transformations::apply(transformation, self.get(span), &mut out);
        let image = changed.then(|| self.intern(&out));
        self.scratch = out;
        image
    }

    /// Works out which gates of a prefilter a string opens, unless that is known. `which` is 0 for the
    /// prefilter of requests, 1 for that of responses.
    #[inline]
    pub(crate) fn scan(&mut self, id: StringId, which: usize, prefilter: &Prefilter) {
        let known = self.entries.get(id.0 as usize).and_then(|entry| entry.gates.get(which));
        if known == Some(&NONE) {
            self.scan_now(id, which, prefilter);
        }
    }

    fn scan_now(&mut self, id: StringId, which: usize, prefilter: &Prefilter) {
        let words = prefilter.words();
        if !self.has_room(words * 8) {
            return;
        }
        let (Some(entry), Some(gates), Some(scratch)) =
            (self.entries.get_mut(id.0 as usize), self.gates.get_mut(which), self.scans.get_mut(which))
        else {
            return;
        };
        self.budget.read(entry.span.len());
        let row = gates.len();
        if let (Some(place), Some(number)) = (entry.gates.get_mut(which), row.checked_div(words)) {
            *place = number as u32;
        }
        gates.resize(row + words, 0);
        let span = entry.span;
        let text = self.bytes.get(span.start as usize..span.start as usize + span.len()).unwrap_or_default();
        if let Some(result) = gates.get_mut(row..) {
            prefilter.scan(text, entry.classes, scratch, result);
        }
    }

    /// The gates a scanned string opens; empty if it was not scanned.
    #[inline]
    pub(crate) fn gates(&self, id: StringId, which: usize, words: usize) -> &[u64] {
        let entry = self.entries.get(id.0 as usize);
        match entry.and_then(|entry| entry.gates.get(which)) {
            Some(row) if *row != NONE => {
                let row = *row as usize * words;
                self.gates.get(which).and_then(|gates| gates.get(row..row + words)).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

/// A fast keyed hash: multiply and fold, sixteen bytes at a time.
fn hash(text: &[u8], seed: u64) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |chunk: &[u8]| {
        let mut bytes = [0u8; 8];
        for (to, from) in bytes.iter_mut().zip(chunk) {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    };
    let mut state = seed ^ (text.len() as u64).wrapping_mul(K);
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        state = fold(state ^ word(chunk), K ^ seed);
    }
    fold(state ^ word(chunks.remainder()), K)
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right | 1);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_are_one_and_different_ones_are_not() {
        let mut store = Store::default();
        store.reset(&Limits::default(), 7, false);
        let ids: Vec<StringId> = (0..2000).map(|n| store.intern(format!("value {n}").as_bytes())).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(store.intern(format!("value {n}").as_bytes()), *id);
            assert_eq!(store.text(*id), format!("value {n}").as_bytes());
        }
        assert_eq!(store.intern(b""), StringId::EMPTY);
    }

    #[test]
    fn a_full_store_keeps_what_it_has_and_says_so() {
        let mut store = Store::default();
        let two = size_of::<Entry>() * 2;
        store.reset(&Limits { working_bytes: two + 10, ..Limits::default() }, 7, false);
        let id = store.intern(b"12345678");
        assert_eq!(store.intern(b"abcdef"), StringId::EMPTY);
        assert!(store.budget.has_met(Limit::WorkingBytes));
        assert_eq!(store.text(id), b"12345678");
    }
}
