//! Decides, from one scan of a value, which rules can match it at all.
//!
//! Each rule that tests request or response data has a *gate*: a conjunction of clauses that every
//! value it matches must satisfy ([`literals`]). A clause is satisfied by a literal, found in one
//! pass for the literals of all rules ([`needles`]), or by a kind of byte ([`classes`]).
//! A gate never says "cannot match" of a value that its rule matches.

pub(crate) mod classes;
pub(crate) mod literals;
pub(crate) mod needles;
pub(crate) mod pass;
mod shorten;

use smallvec::SmallVec;

use crate::operators::Operator;
use classes::ClassSet;
use literals::Clause;
use needles::{Needles, Owner, Seen};

/// What a rule needs to find in a value before it can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing is known: it can match anything.
    Nothing,
    /// A byte of one of these classes.
    Class(ClassSet),
    /// All of these clauses.
    Clauses(Vec<Clause>),
}

impl Need {
    /// What an operator with this argument needs. `hir` is the syntax tree of a linear pattern;
    /// the argument is `None` if it has macros.
    pub(crate) fn of(operator: &Operator, argument: Option<&[u8]>, hir: Option<&regex_syntax::hir::Hir>) -> Need {
        let clauses = match operator {
            Operator::Rx(_) if hir.is_some_and(literals::matches_only_empty) => return Need::Class(classes::EMPTY),
            Operator::Rx(_) | Operator::RxGlobal(_) => hir.map(literals::clauses_of).unwrap_or_default(),
            Operator::Pm(pm) => literals::choose(vec![pm.phrases().to_vec()]),
            Operator::Text(text) if *text != crate::operators::Text::Within => match argument {
                Some(argument) if !argument.is_empty() => literals::choose(vec![vec![argument.to_ascii_lowercase()]]),
                _ => Vec::new(),
            },
            Operator::ValidateByteRange(range) => {
                let outside = (0..=255u8).filter(|byte| range.matches(&[*byte]));
                return Need::Class(outside.fold(0, |set, byte| set | classes::of_byte(byte)));
            }
            Operator::ValidateUrlEncoding => return Need::Class(classes::of_byte(b'%')),
            Operator::ValidateUtf8Encoding => return Need::Class(classes::of_byte(0x80) | classes::of_byte(0xa0)),
            // A tag needs `<`, an attribute with a value `=`; without either libinjection finds no token
            // that it counts.
            Operator::DetectXss => return Need::Class(classes::of_byte(b'<') | classes::of_byte(b'=')),
            // One word or number is one token, and no fingerprint of one such token is listed.
            Operator::DetectSqli => {
                return Need::Class(!(classes::ALPHANUMERIC | classes::of_byte(b'_') | classes::EMPTY));
            }
            _ => Vec::new(),
        };
        if clauses.is_empty() { Need::Nothing } else { Need::Clauses(clauses) }
    }

    /// Kinds of bytes one of which is needed, as far as kinds alone say it.
    pub(crate) fn classes(&self) -> ClassSet {
        match self {
            Need::Class(classes) => *classes,
            Need::Nothing | Need::Clauses(_) => classes::ALL,
        }
    }
}

/// Kinds of bytes by which literals are told apart, from ordinary text to anything. Literals that cannot
/// be of use in a value of such kinds are not looked for in it.
const LEVELS: [ClassSet; 4] = [
    classes::ALPHANUMERIC | classes::of_all(b" ,"),
    classes::ALPHANUMERIC | classes::of_all(b" ,._-"),
    classes::ALPHANUMERIC | classes::of_all(b" ,._-=&+%"),
    classes::ALL,
];

/// The gates of all rules.
pub(crate) struct Prefilter {
    /// The literals of use at each level.
    needles: [Needles; LEVELS.len()],
    gates: Vec<Gate>,
    /// Gates that are open to every value, as a bit set.
    open: Vec<u64>,
    /// Gates that kinds of bytes alone can open.
    by_class: Vec<u16>,
}

/// The clauses of one gate: for each, the kinds of bytes that satisfy it without a literal.
#[derive(Default)]
struct Gate {
    clauses: SmallVec<[ClassSet; literals::MOST_CLAUSES]>,
}

/// Reused between scans of the same prefilter.
#[derive(Default)]
pub(crate) struct Scratch {
    seen: [Seen; LEVELS.len()],
    found: Vec<u8>,
    touched: Vec<u16>,
    /// Which gates kinds of bytes alone open, for kinds met before: direct-mapped, [`REMEMBERED`]
    /// places, each with a row of words.
    remembered: Vec<Option<ClassSet>>,
    rows: Vec<u64>,
}

/// Combinations of byte classes whose gates are remembered.
const REMEMBERED: usize = 256;

impl Prefilter {
    /// Builds the gates; bit `i` of a result is the gate of `needs[i]`.
    pub(crate) fn build(needs: &[Need]) -> Prefilter {
        let mut gates = Vec::with_capacity(needs.len());
        let mut open = vec![0u64; needs.len().div_ceil(64)];
        let mut by_class = Vec::new();
        let mut literals: Vec<Literal> = Vec::new();
        for (index, need) in needs.iter().enumerate() {
            let Ok(number) = u16::try_from(index) else {
                set(&mut open, index);
                gates.push(Gate::default());
                continue;
            };
            let mut gate = Gate::default();
            match need {
                Need::Nothing => set(&mut open, index),
                Need::Class(classes) => gate.clauses.push(without_case(*classes)),
                Need::Clauses(clauses) => {
                    let needed = clauses.iter().fold(0, |needed, clause| needed | common_classes(clause));
                    for (bit, clause) in clauses.iter().take(literals::MOST_CLAUSES).enumerate() {
                        let owner = Owner { gate: number, clause: 1 << bit };
                        let mut by_byte = 0;
                        for literal in clause {
                            match literal.as_slice() {
                                [byte] => {
                                    by_byte |= classes::of_byte(*byte) | classes::of_byte(byte.to_ascii_uppercase());
                                }
                                longer => {
                                    let needed = needed | classes::of(longer);
                                    literals.push(Literal { text: longer.to_vec(), owner, needed });
                                }
                            }
                        }
                        gate.clauses.push(by_byte);
                    }
                }
            }
            if !gate.clauses.is_empty() && gate.clauses.iter().all(|by_byte| *by_byte != 0) {
                by_class.push(number);
            }
            gates.push(gate);
        }
        let needles = LEVELS.map(|kinds| {
            let useful = literals.iter().filter(|literal| literal.needed & !kinds == 0);
            Needles::build(useful.map(|literal| (literal.text.as_slice(), literal.owner)).collect())
        });
        Prefilter { needles, gates, open, by_class }
    }

    /// Words of a result.
    pub(crate) fn words(&self) -> usize {
        self.open.len()
    }

    /// Bytes of memory the gates take.
    pub(crate) fn memory(&self) -> usize {
        self.needles.iter().map(Needles::memory).sum::<usize>() + self.gates.len() * size_of::<Gate>()
    }

    /// Writes into `result` which gates the value opens; `classes` are those of the value.
    pub(crate) fn scan(&self, value: &[u8], classes: ClassSet, scratch: &mut Scratch, result: &mut [u64]) {
        self.open_by_class(classes, scratch, result);
        scratch.found.resize(self.gates.len(), 0);
        let level = LEVELS.iter().position(|kinds| classes & !kinds == 0).unwrap_or(LEVELS.len() - 1);
        let Scratch { seen, found, touched, .. } = scratch;
        self.needles[level].scan(value, &mut seen[level], |owners| {
            for owner in owners {
                if let Some(found) = found.get_mut(usize::from(owner.gate)) {
                    if *found == 0 {
                        touched.push(owner.gate);
                    }
                    *found |= owner.clause;
                }
            }
        });
        while let Some(gate) = scratch.touched.pop() {
            let found = scratch.found.get_mut(usize::from(gate)).map(std::mem::take).unwrap_or(0);
            self.open_if_satisfied(gate, found, classes, result);
        }
    }

    /// Opens the gates that are open to every value and those that kinds of bytes alone open.
    fn open_by_class(&self, classes: ClassSet, scratch: &mut Scratch, result: &mut [u64]) {
        let words = self.words();
        if scratch.remembered.len() != REMEMBERED || scratch.rows.len() != REMEMBERED * words {
            scratch.remembered = vec![None; REMEMBERED];
            scratch.rows = vec![0; REMEMBERED * words];
        }
        let place = (classes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % REMEMBERED;
        let Some(row) = scratch.rows.get_mut(place * words..(place + 1) * words) else { return };
        if scratch.remembered.get(place) != Some(&Some(classes)) {
            row.copy_from_slice(&self.open);
            for gate in &self.by_class {
                self.open_if_satisfied(*gate, 0, classes, row);
            }
            if let Some(remembered) = scratch.remembered.get_mut(place) {
                *remembered = Some(classes);
            }
        }
        for (word, open) in result.iter_mut().zip(row) {
            *word = *open;
        }
    }

    fn open_if_satisfied(&self, gate: u16, found: u8, value: ClassSet, result: &mut [u64]) {
        let Some(Gate { clauses }) = self.gates.get(usize::from(gate)) else { return };
        let satisfied = clauses.iter().enumerate().all(|(bit, by_byte)| found >> bit & 1 == 1 || by_byte & value != 0);
        if satisfied {
            set(result, usize::from(gate));
        }
    }
}

/// A literal of a rule.
struct Literal {
    text: Vec<u8>,
    owner: Owner,
    /// Kinds of bytes that a value has if it has the literal and what else its rule needs. Letters are
    /// in lower case here and count for nothing.
    needed: ClassSet,
}

/// The kinds of bytes that all literals of a clause have in common.
fn common_classes(clause: &Clause) -> ClassSet {
    clause.iter().fold(classes::ALL, |common, literal| common & classes::of(literal))
}

/// Classes with both cases of letters if they have one: a value opens the gates that its lower case
/// opens.
fn without_case(classes: ClassSet) -> ClassSet {
    if classes & classes::LETTERS == 0 { classes } else { classes | classes::LETTERS }
}

/// Sets a bit.
pub(crate) fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// Whether a bit is set.
pub(crate) fn is_set(words: &[u64], bit: usize) -> bool {
    words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}
