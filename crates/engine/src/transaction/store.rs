//! The bytes of a transaction: every distinct string once, with what has been worked out about it.
//!
//! All text of a transaction lives in one buffer; a [`Span`] is a place in it. Request and response data
//! is *interned*: equal strings share one [`StringId`], and what is known about a string is worked out at
//! most once. A string that a transformation leaves alone is its own image.
//!
//! Names of headers and the like come with every request. Such *common* strings are kept between
//! transactions in a second set of strings, with what is known about them: which kinds of bytes they
//! have, what transformations make of them, which rules cannot match them. No finding is kept, nothing
//! that may be secret, nothing long, and never more than [`Limits::remembered_bytes`].

use parapet_seclang::ast::Transformation;

use super::budget::Budget;
use super::recall::Fingerprint;
use super::strings::{Strings, Vacancy};
use super::tools::Tools;
use crate::limits::{Limit, Limits};
use crate::policy::chains::{ChainId, Chains};
use crate::prefilter::Prefilter;
use crate::prefilter::classes::ClassSet;
use crate::transformations;

/// Marks spans and strings that are kept between transactions.
const KEPT: u32 = 1 << 31;
/// Bytes of the longest string that is kept.
const LONGEST_KEPT: usize = 256;
/// Steps for each byte of such a string: those of a dozen transformations and searches.
const KEPT_STEPS: usize = 24;
/// Bytes of the longest value that is recognised when it comes again: a page, but not an upload.
const LONGEST_FINGERPRINT: usize = 16 << 10;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StringId(u32);

impl StringId {
    /// The empty string.
    pub(crate) const EMPTY: StringId = StringId(KEPT);

    fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    fn index(self) -> u32 {
        self.0 & !KEPT
    }
}

impl Default for StringId {
    fn default() -> StringId {
        StringId::EMPTY
    }
}

/// The buffer and the strings in it.
#[derive(Default)]
pub(crate) struct Store {
    /// This transaction's; all its other text lies between them.
    own: Strings,
    /// Common ones, from this transaction and earlier ones. The first is empty.
    kept: Strings,
    limit: usize,
    remember: usize,
    /// What was spent on reading and writing them.
    pub(crate) budget: Budget,
    /// Transforms every time anew, whatever the classes of a string say.
    anew: bool,
    seed: u64,
    scratch: Vec<u8>,
    /// Present while a phase runs.
    pub(crate) tools: Option<Box<Tools>>,
}

impl Store {
    /// Empties the store for the next transaction, keeping its memory. `seed` makes hash collisions
    /// unpredictable; `anew` forgets transformations at once.
    pub(crate) fn reset(&mut self, limits: &Limits, seed: u64, anew: bool) {
        self.anew = anew;
        self.own.clear();
        self.limit = limits.working_bytes.min((KEPT - 1) as usize);
        self.remember = limits.remembered_bytes;
        self.budget = Budget::new(limits);
        self.seed = seed;
        if self.kept.is_empty() || self.kept.used() > self.remember {
            self.kept.shrink(self.remember);
            if let Err(vacancy) = self.kept.find(b"", hash(b"", seed)) {
                self.kept.insert(0, 0, hash(b"", seed), vacancy);
            }
        }
    }

    /// Forgets transformations at once from now on.
    pub(crate) fn transform_anew(&mut self) {
        self.anew = true;
    }

    /// Gives memory back that an unusually large transaction took.
    pub(crate) fn shrink(&mut self, keep: usize) {
        self.own.shrink(keep);
        self.scratch.clear();
        self.scratch.shrink_to(keep);
    }

    /// Bytes in use, strings kept from earlier transactions not counted.
    pub(crate) fn used(&self) -> usize {
        self.own.used()
    }

    fn strings(&self, id: StringId) -> &Strings {
        if id.is_kept() { &self.kept } else { &self.own }
    }

    fn strings_mut(&mut self, id: StringId) -> &mut Strings {
        if id.is_kept() { &mut self.kept } else { &mut self.own }
    }

    /// The text of a span.
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        let strings = if span.start & KEPT != 0 { &self.kept } else { &self.own };
        strings.get(span.start & !KEPT, span.length)
    }

    /// The text of a string.
    pub(crate) fn text(&self, id: StringId) -> &[u8] {
        let (start, length) = self.strings(id).place(id.index());
        self.strings(id).get(start, length)
    }

    /// Where a string lies.
    pub(crate) fn span(&self, id: StringId) -> Span {
        let (start, length) = self.strings(id).place(id.index());
        Span { start: start | id.0 & KEPT, length }
    }

    /// Appends text; over the limit nothing is stored and the store is marked.
    pub(crate) fn push(&mut self, text: &[u8]) -> Span {
        self.budget.read(text.len());
        if !self.has_room(text.len()) {
            return Span::default();
        }
        let start = self.own.bytes.len() as u32;
        self.own.bytes.extend_from_slice(text);
        Span { start, length: text.len() as u32 }
    }

    /// Whether so much more may be held; if not, the limit is met.
    fn has_room(&mut self, more: usize) -> bool {
        let room = self.own.used() + more <= self.limit;
        if !room {
            self.budget.meet(Limit::WorkingBytes);
        }
        room
    }

    /// Begins a text that is appended piece by piece; [`Store::finish`] ends it.
    pub(crate) fn begin(&self) -> usize {
        self.own.bytes.len()
    }

    /// Appends the text of a span.
    pub(crate) fn push_span(&mut self, span: Span) {
        self.budget.read(span.len());
        if !self.has_room(span.len()) {
            return;
        }
        let start = (span.start & !KEPT) as usize;
        let part = start..start + span.len();
        if span.start & KEPT != 0 {
            self.own.bytes.extend_from_slice(self.kept.get(start as u32, span.length));
        } else if part.end <= self.own.bytes.len() {
            self.own.bytes.extend_from_within(part);
        }
    }

    /// The text appended since [`Store::begin`].
    pub(crate) fn finish(&self, begin: usize) -> Span {
        Span { start: begin as u32, length: self.own.bytes.len().saturating_sub(begin) as u32 }
    }

    /// The string with this text.
    pub(crate) fn intern(&mut self, text: &[u8]) -> StringId {
        self.budget.read(text.len());
        self.intern_own(text)
    }

    fn intern_own(&mut self, text: &[u8]) -> StringId {
        if text.is_empty() {
            return StringId::EMPTY;
        }
        let hash = hash(text, self.seed);
        match self.own.find(text, hash) {
            Ok(index) => StringId(index),
            Err(_) if !self.has_room(text.len() + Strings::ENTRY) => StringId::EMPTY,
            Err(vacancy) => StringId(append(&mut self.own, text, hash, vacancy)),
        }
    }

    /// The same for a string that many requests have and that is no secret.
    pub(crate) fn intern_common(&mut self, text: &[u8]) -> StringId {
        self.budget.read(text.len());
        if self.anew || text.len() > LONGEST_KEPT {
            return self.intern_own(text);
        }
        // Paid once for all that may be worked out about it, whether it is known already or not.
        self.budget.read(KEPT_STEPS * text.len());
        self.keep(text, self.remember).unwrap_or_else(|| self.intern_own(text))
    }

    /// Keeps a string, unless so many bytes are kept already.
    fn keep(&mut self, text: &[u8], most: usize) -> Option<StringId> {
        let hash = hash(text, self.seed);
        match self.kept.find(text, hash) {
            Ok(index) => Some(StringId(index | KEPT)),
            Err(_) if self.kept.used() + text.len() > most => None,
            Err(vacancy) => Some(StringId(append(&mut self.kept, text, hash, vacancy) | KEPT)),
        }
    }

    /// The string with the text of a span.
    pub(crate) fn intern_span(&mut self, span: Span) -> StringId {
        self.budget.read(span.len());
        if span.length == 0 {
            return StringId::EMPTY;
        }
        let text = self.get(span);
        let hash = hash(text, self.seed);
        match self.own.find(text, hash) {
            Ok(index) => StringId(index),
            Err(_) if !self.has_room(Strings::ENTRY) => StringId::EMPTY,
            Err(vacancy) if span.start & KEPT == 0 => StringId(self.own.insert(span.start, span.length, hash, vacancy)),
            Err(_) => {
                let text = self.get(span).to_vec();
                self.intern_own(&text)
            }
        }
    }

    /// The kinds of bytes a string has.
    pub(crate) fn classes(&self, id: StringId) -> ClassSet {
        self.strings(id).classes(id.index())
    }

    /// Hash of a string without case, by which names are looked up: worked out once for those that are kept.
    pub(crate) fn key_hash(&mut self, id: StringId) -> u32 {
        self.strings_mut(id).key_hash(id.index())
    }

    /// The image of a string under a chain of transformations.
    pub(crate) fn transform(&mut self, id: StringId, chain: ChainId, chains: &Chains) -> StringId {
        let known = chains.get(chain);
        if self.anew {
            return known.steps.iter().fold(id, |image, step| self.step(image, *step, chains));
        }
        if self.classes(id) & known.changing == 0 && !known.always {
            return id;
        }
        let column = chains.column(chain);
        if let Some(image) = self.strings(id).image(id.index(), column, chains.columns()) {
            return StringId(image);
        }
        let image = known.steps.iter().fold(id, |image, step| self.step(image, *step, chains));
        self.set_image(id, column, chains.columns(), image);
        image
    }

    /// The image of a string under one transformation.
    #[inline]
    pub(crate) fn step(&mut self, id: StringId, step: u8, chains: &Chains) -> StringId {
        let Some(kind) = chains.step(step) else { return id };
        if self.anew {
            return self.apply(id, kind.transformation, chains);
        }
        if self.classes(id) & kind.changing == 0 && !kind.always {
            return id;
        }
        let (column, columns) = (usize::from(step), chains.columns());
        if let Some(image) = self.strings(id).image(id.index(), column, columns) {
            return StringId(image);
        }
        let image = self.apply(id, kind.transformation, chains);
        self.set_image(id, column, columns, image);
        image
    }

    /// Notes an image of a string.
    fn set_image(&mut self, id: StringId, column: usize, columns: usize, image: StringId) {
        // What is kept must not lead to what is not.
        let lasts = image.is_kept() || !id.is_kept();
        let has_room = id.is_kept() || self.own.has_images(id.index()) || self.has_room(columns * 4);
        if lasts && has_room {
            self.strings_mut(id).set_image(id.index(), column, columns, image.0);
        }
    }

    /// Transforms a string.
    fn apply(&mut self, id: StringId, transformation: Transformation, chains: &Chains) -> StringId {
        let mut out = std::mem::take(&mut self.scratch);
        let text = self.text(id);
        let length = text.len();
        out.clear();
        let changed = transformations::apply_with(transformation, chains.unicode_map.as_deref(), text, &mut out);
        let mut image = id;
        if !id.is_kept() {
            self.budget.read(length + out.len());
        }
        if changed {
            // Images of kept strings may go a little over what is to be remembered; the next transaction
            // forgets then.
            let kept = if id.is_kept() && !self.anew { self.keep(&out, 2 * self.remember) } else { None };
            image = kept.unwrap_or_else(|| self.intern_own(&out));
            if transformation == Transformation::Lowercase && image != id && image.is_kept() == id.is_kept() {
                self.strings_mut(id).set_original(image.index(), id.index());
            }
        }
        self.scratch = out;
        image
    }

    /// The gates of a prefilter that a string opens, worked out unless they are known; empty if there is
    /// no room for them. `which` is 0 for the prefilter of requests, 1 for that of responses.
    #[inline]
    pub(crate) fn gates(&mut self, id: StringId, which: usize, prefilter: &Prefilter) -> &[u64] {
        if !self.strings(id).is_scanned(id.index(), which) {
            self.scan_now(id, which, prefilter);
        }
        self.strings(id).gates(id.index(), which, prefilter.words())
    }

    /// What tells a string from all others, unless it is too long to come again or
    /// nothing is to be remembered.
    pub(super) fn fingerprint(&mut self, id: StringId) -> Option<Fingerprint> {
        if self.anew || self.remember == 0 || self.span(id).len() > LONGEST_FINGERPRINT {
            return None;
        }
        let seed = self.seed;
        self.strings_mut(id).fingerprint(id.index(), seed)
    }

    #[inline(never)]
    fn scan_now(&mut self, id: StringId, which: usize, prefilter: &Prefilter) {
        let words = prefilter.words();
        if !id.is_kept() {
            if !self.has_room(words * 8) {
                return;
            }
            self.budget.read(self.span(id).len());
        }
        let tools = self.tools.get_or_insert_default();
        let Some(scratch) = tools.scans.get_mut(which) else { return };
        let strings = if id.is_kept() { &mut self.kept } else { &mut self.own };
        strings.add_gates(id.index(), which, words, |text, classes, result| {
            prefilter.scan(text, classes, scratch, result);
        });
    }

    /// Closes a gate of a scanned string: its rule was tried and does not match it.
    pub(crate) fn close_gate(&mut self, id: StringId, which: usize, words: usize, gate: usize) {
        self.strings_mut(id).close_gate(id.index(), which, words, gate);
    }
}

fn append(strings: &mut Strings, text: &[u8], hash: u64, vacancy: Vacancy) -> u32 {
    let start = strings.bytes.len() as u32;
    strings.bytes.extend_from_slice(text);
    strings.insert(start, text.len() as u32, hash, vacancy)
}

/// A fast keyed hash: multiply and fold, eight bytes at a time.
fn hash(text: &[u8], seed: u64) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = seed ^ (text.len() as u64).wrapping_mul(K);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), K ^ seed);
    }
    let last = rest.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    fold(state ^ last, K)
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
        let two = Strings::ENTRY * 2;
        store.reset(&Limits { working_bytes: two + 10 - Strings::ENTRY, ..Limits::default() }, 7, false);
        let id = store.intern(b"12345678");
        assert_eq!(store.intern(b"abcdef"), StringId::EMPTY);
        assert!(store.budget.has_met(Limit::WorkingBytes));
        assert_eq!(store.text(id), b"12345678");
    }

    #[test]
    fn common_strings_outlive_the_transaction_within_bounds_and_others_do_not() {
        let limits = Limits { remembered_bytes: 4096, ..Limits::default() };
        let mut store = Store::default();
        store.reset(&limits, 7, false);
        let accept = store.intern_common(b"accept");
        let secret = store.intern(b"secret");
        assert_eq!(store.text(accept), b"accept");
        assert!(accept.is_kept() && !secret.is_kept());
        assert!(!store.intern_common(&[b'a'; LONGEST_KEPT + 1]).is_kept());
        store.reset(&limits, 7, false);
        assert_eq!(store.intern_common(b"accept"), accept);
        assert!(store.kept.find(b"secret", hash(b"secret", 7)).is_err());
        for number in 0..1000 {
            let id = store.intern_common(format!("name {number}").as_bytes());
            assert_eq!(store.text(id), format!("name {number}").as_bytes());
        }
        assert!(store.kept.used() <= 4096 + 256);
    }

    #[test]
    fn images_of_kept_strings_are_kept_and_others_are_not() {
        let mut chains = Chains::new();
        let lower = chains.intern(&[Transformation::Lowercase]);
        let mut store = Store::default();
        store.reset(&Limits::default(), 7, false);
        let (common, own) = (store.intern_common(b"Accept"), store.intern(b"ACCEPT"));
        let images = [store.transform(common, lower, &chains), store.transform(own, lower, &chains)];
        assert_eq!(images.map(|image| store.text(image).to_vec()), [b"accept".to_vec(), b"accept".to_vec()]);
        assert_eq!(images.map(StringId::is_kept), [true, false]);
        store.reset(&Limits::default(), 7, false);
        assert_eq!(store.transform(common, lower, &chains), images[0]);
    }
}
