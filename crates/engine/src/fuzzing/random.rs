//! Deterministic pseudo-random and hostile inputs for property tests.

/// Xorshift (Marsaglia, 2003): the same inputs in every run.
pub(crate) struct Random(u64);

impl Random {
    /// A generator; the seed must not be 0.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    /// One of the items.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Up to `length` tokens and random bytes, joined.
    pub(crate) fn text(&mut self, tokens: &[&[u8]], length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(length + 1) {
            if self.below(4) == 0 {
                text.push(self.below(256) as u8);
            } else {
                text.extend_from_slice(tokens[self.below(tokens.len())]);
            }
        }
        text
    }
}
