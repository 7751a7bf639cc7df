//! What became of values in earlier transactions.
//!
//! The same paths, cookies, tokens and pages come again and again. Which rules of a watch have to test a
//! value, most often none, depends on the value alone: when it comes again it need not be searched nor
//! transformed to know them. What is kept of a value is not its text but a [`Fingerprint`], and beside it
//! the rules that were left for each watch.
//!
//! A value that had the fingerprint of another one would be taken for it. Fingerprints are SipHash-1-3 of
//! 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF") under a key that never leaves the
//! process, so that such a value can neither be computed nor be met by trying.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Sets of lines.
const SETS: usize = 512;
/// Lines of a set. One would not do: two values that every request has must not drive each other out.
const WAYS: usize = 4;
/// Words of a line: a value is seldom in more than a few variables, and each phase watches them anew.
const WORDS: usize = 26;
/// Rules kept for a value and a watch; a value that concerns more of them is looked at every time.
pub(super) const MOST_LEFT: usize = 8;

/// Marks the word of a rule; words of watches have no mark.
const RULE: u32 = 1 << 31;
/// Marks a rule whose operator cannot match the value.
const DECIDED: u32 = 1 << 30;

/// What tells a value from all others.
pub(super) type Fingerprint = [u64; 2];

/// The fingerprint of a text under a key.
pub(super) fn fingerprint(text: &[u8], key: u64) -> Fingerprint {
    let mut hasher = SipHasher13::new_with_keys(key, !key);
    hasher.write(text);
    let hash = hasher.finish128();
    [hash.h1, hash.h2]
}

/// A rule that has to test a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Its position in the phase.
    pub(super) position: u32,
    /// The operator cannot match the value: a negated rule matches it without a test.
    pub(super) is_decided: bool,
}

/// A value, the watches it was looked at for, and behind each the rules that are left.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(128))]
struct Line {
    value: Fingerprint,
    words: [u32; WORDS],
    length: u8,
    /// The turn in which the value was met first.
    met: u32,
    /// Whether the value came again since the line was last passed over when a place was needed.
    is_used: bool,
}

/// Values and what became of them; bounded, the ones that do not come again leave first.
#[derive(Debug, Default)]
pub(super) struct Recall {
    sets: Vec<[Line; WAYS]>,
    /// Transactions so far.
    turn: u32,
}

impl Recall {
    /// Begins a transaction.
    pub(super) fn begin(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Whether an earlier transaction has met a value already, so that it is worth finding out more.
    pub(super) fn meet(&mut self, value: Fingerprint) -> bool {
        let turn = self.turn;
        self.line(value).met != turn
    }

    /// The rules of a watch that have to test a value, if that is known.
    pub(super) fn of(&mut self, value: Fingerprint, watch: u32) -> Option<impl Iterator<Item = Left>> {
        let line = self.sets.get_mut(set_of(value))?.iter_mut().find(|line| line.value == value)?;
        let words = line.words.get(..usize::from(line.length))?;
        let start = words.iter().position(|word| *word == watch)? + 1;
        line.is_used = true;
        let rules = words.get(start..)?.iter().take_while(|word| **word & RULE != 0);
        Some(rules.map(|word| Left { position: word & !(RULE | DECIDED), is_decided: word & DECIDED != 0 }))
    }

    /// Notes them, unless they are many. What was noted of a value and a watch before must be the same.
    pub(super) fn note(&mut self, value: Fingerprint, watch: u32, left: &[Left]) {
        if left.len() > MOST_LEFT || left.iter().any(|rule| rule.position >= DECIDED) {
            return;
        }
        self.line(value).add(watch, left);
    }

    /// The line of a value, a new one if it has none.
    fn line(&mut self, value: Fingerprint) -> &mut Line {
        if self.sets.is_empty() {
            self.sets.resize(SETS, [Line::default(); WAYS]);
        }
        let set = &mut self.sets[set_of(value)];
        let place = set.iter().position(|line| line.value == value).unwrap_or_else(|| {
            // The oldest line goes, after a second chance for each that was of use since the last time.
            let free = set.iter_mut().position(|line| !std::mem::take(&mut line.is_used)).unwrap_or(0);
            set[free] = Line { value, met: self.turn, ..Line::default() };
            set[free..].rotate_left(1);
            WAYS - 1
        });
        &mut set[place]
    }
}

impl Line {
    fn add(&mut self, watch: u32, left: &[Left]) {
        let known = self.words.get(..usize::from(self.length)).unwrap_or_default();
        if known.contains(&watch) {
            return;
        }
        if known.len() + 1 + left.len() > WORDS {
            self.length = 0;
        }
        let rules = left.iter().map(|rule| rule.position | RULE | if rule.is_decided { DECIDED } else { 0 });
        let free = self.words.iter_mut().skip(usize::from(self.length));
        for (word, free) in std::iter::once(watch).chain(rules).zip(free) {
            *free = word;
            self.length += 1;
        }
    }
}

fn set_of(value: Fingerprint) -> usize {
    value[0] as usize % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u32) -> Fingerprint {
        fingerprint(&number.to_le_bytes(), 7)
    }

    fn rule(position: u32) -> Left {
        Left { position, is_decided: position % 2 == 1 }
    }

    fn known(recall: &mut Recall, number: u32, watch: u32) -> Option<Vec<Left>> {
        recall.of(value(number), watch).map(Iterator::collect)
    }

    #[test]
    fn what_was_noted_of_a_value_and_a_watch_is_known() {
        let mut recall = Recall::default();
        assert_eq!(known(&mut recall, 1, 0), None);
        recall.note(value(1), 0, &[]);
        recall.note(value(1), 5, &[rule(3), rule(8)]);
        recall.note(value(1), 9, &[rule(0)]);
        recall.note(value(2), 6, &[]);
        let first: Vec<_> = (0..10).filter_map(|watch| Some((watch, known(&mut recall, 1, watch)?))).collect();
        assert_eq!(first, [(0, vec![]), (5, vec![rule(3), rule(8)]), (9, vec![rule(0)])]);
        assert_eq!((known(&mut recall, 2, 6), known(&mut recall, 2, 5)), (Some(vec![]), None));
        assert_ne!(fingerprint(b"text", 7), fingerprint(b"text", 8));
    }

    #[test]
    fn a_value_that_comes_again_outlives_many_that_do_not() {
        let mut recall = Recall::default();
        recall.note(value(0), 3, &[]);
        for number in 1..100_000 {
            recall.note(value(number), 3, &[]);
            assert!(known(&mut recall, 0, 3).is_some(), "after {number} others");
        }
        let remembered = (0..100_000).filter(|number| known(&mut recall, *number, 3).is_some()).count();
        assert!(remembered > SETS * (WAYS - 1), "{remembered}");
    }

    #[test]
    fn a_value_is_met_in_an_earlier_transaction_or_now() {
        let mut recall = Recall::default();
        recall.begin();
        assert!(!recall.meet(value(1)) && !recall.meet(value(1)));
        recall.begin();
        assert!(recall.meet(value(1)) && !recall.meet(value(2)));
    }

    #[test]
    fn a_value_of_too_many_watches_begins_anew_and_one_of_too_many_rules_is_not_kept() {
        let mut recall = Recall::default();
        (0..=WORDS as u32).for_each(|watch| recall.note(value(1), watch, &[]));
        assert_eq!(known(&mut recall, 1, 0), None);
        assert_eq!(known(&mut recall, 1, WORDS as u32), Some(vec![]));
        recall.note(value(1), 40, &[rule(1); MOST_LEFT + 1]);
        assert_eq!(known(&mut recall, 1, 40), None);
    }
}
