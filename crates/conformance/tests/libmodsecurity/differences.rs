//! The checked-in list of differences that are understood.

use std::cell::Cell;

use parapet_conformance::sample::{Sample, Verdict};
use regex::bytes::Regex;

const LIST: &str = include_str!("../../known-differences.txt");

/// Which engine reports a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Theirs,
    Ours,
}

/// One line of the list.
struct Entry {
    rule: u32,
    side: Side,
    requests: Regex,
    explained: Cell<usize>,
}

/// The list, and how often each line of it was needed.
pub(crate) struct Known(Vec<Entry>);

impl Known {
    /// Reads the list.
    pub(crate) fn read() -> Known {
        let lines = LIST.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        Known(lines.map(entry).collect())
    }

    /// What about a request is different and not explained.
    pub(crate) fn unexplained(&self, sample: &Sample, theirs: &Verdict, ours: &Verdict) -> Vec<String> {
        let mut found = Vec::new();
        if theirs.blocked != ours.blocked {
            found.push(format!("blocked: theirs {}, ours {}", theirs.blocked, ours.blocked));
        }
        let sides = [(Side::Theirs, theirs, ours), (Side::Ours, ours, theirs)];
        for (side, one, other) in sides {
            for rule in one.rules.difference(&other.rules).filter(|rule| !self.explains(sample, **rule, side)) {
                found.push(format!("rule {rule}: only {side:?}"));
            }
        }
        found
    }

    fn explains(&self, sample: &Sample, rule: u32, side: Side) -> bool {
        let mut entries = self.0.iter().filter(|entry| entry.rule == rule && entry.side == side);
        let entry = entries.find(|entry| entry.requests.is_match(&sample.bytes));
        entry.inspect(|entry| entry.explained.set(entry.explained.get() + 1)).is_some()
    }

    /// Lines with the number of differences that they explain.
    pub(crate) fn counts(&self) -> Vec<(String, usize)> {
        let count = |entry: &Entry| (format!("{} {:?}", entry.rule, entry.side), entry.explained.get());
        self.0.iter().map(count).collect()
    }
}

fn entry(line: &str) -> Entry {
    let (what, why) = line.split_once(" # ").unwrap_or((line, ""));
    assert!(why.len() > 40, "a difference needs a reason: {line}");
    let mut words = what.split_whitespace();
    let (Some(rule), Some(side), Some(requests), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        panic!("not `rule side expression # reason`: {line}");
    };
    let side = match side {
        "theirs" => Side::Theirs,
        "ours" => Side::Ours,
        _ => panic!("neither theirs nor ours: {line}"),
    };
    Entry { rule: rule.parse().unwrap(), side, requests: Regex::new(requests).unwrap(), explained: Cell::new(0) }
}
