//! A set of offsets, kept as ranges.

use std::collections::BTreeMap;

/// Offsets. Ranges neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges {
    /// Start to end; the end is not in the range.
    ranges: BTreeMap<i64, i64>,
}

impl Ranges {
    /// Adds the offsets from `start` up to but not including `end`; returns how many are new.
    pub(crate) fn insert(&mut self, start: i64, end: i64) -> u64 {
        if start >= end {
            return 0;
        }
        let (mut from, mut to, mut known) = (start, end, 0);
        let touching: Vec<_> =
            self.ranges.range(..=end).rev().take_while(|(_, e)| **e >= start).map(|(s, e)| (*s, *e)).collect();
        for (s, e) in touching {
            known += (e.min(end) - s.max(start)).max(0) as u64;
            self.ranges.remove(&s);
            (from, to) = (from.min(s), to.max(e));
        }
        self.ranges.insert(from, to);
        (end - start) as u64 - known
    }

    /// Takes out the range that starts at `offset`, if there is one, and returns its end.
    pub(crate) fn take_from(&mut self, offset: i64) -> Option<i64> {
        self.ranges.remove(&offset)
    }

    /// Whether the offset is in the set.
    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.ranges.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end)
    }

    /// How many offsets from `start` up to but not including `end` are in the set.
    pub(crate) fn count(&self, start: i64, end: i64) -> u64 {
        let overlap = |(s, e): (&i64, &i64)| ((*e).min(end) - (*s).max(start)).max(0) as u64;
        self.ranges.range(..end).map(overlap).sum()
    }

    /// The ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.ranges.iter().map(|(start, end)| (*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::suites::Random;
    use std::collections::BTreeSet;

    #[test]
    fn it_equals_a_plain_set() {
        let mut random = Random::new(5);
        for _ in 0..200 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..30 {
                let start = random.below(40) as i64;
                let end = start + random.below(6) as i64;
                let new = (start..end).filter(|offset| set.insert(*offset)).count() as u64;
                assert_eq!(ranges.insert(start, end), new);
                let (from, to) = (random.below(45) as i64, random.below(45) as i64);
                let inside = set.iter().filter(|offset| (from..to).contains(*offset)).count() as u64;
                assert_eq!(ranges.count(from, to), inside);
            }
            assert_eq!(ranges.iter().flat_map(|(s, e)| s..e).collect::<BTreeSet<_>>(), set);
            assert!((0..50).all(|offset| ranges.contains(offset) == set.contains(&offset)));
            let bounds: Vec<_> = ranges.iter().collect();
            assert!(bounds.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch: {bounds:?}");
        }
    }
}
