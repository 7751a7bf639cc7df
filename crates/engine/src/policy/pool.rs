//! Buffers of finished transactions, for later ones, and what transactions share while they run.
//!
//! Threads have places of their own as far as there are enough, so that they neither wait for each other
//! nor move buffers between processors. A thread may be in the middle of many transactions, each waiting
//! for its client or its server, but runs a phase of one of them at a time.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::transaction::{State, Tools};

/// Places for threads.
const PLACES: usize = 16;

/// Buffers by place.
#[derive(Default)]
pub(super) struct Pool {
    places: [Place; PLACES],
}

/// Kept apart by a cache line.
#[derive(Default)]
#[repr(align(64))]
struct Place {
    #[allow(clippy::vec_box, reason = "a transaction takes and returns the box as it is")]
    states: Mutex<Vec<Box<State>>>,
    #[allow(clippy::vec_box, reason = "likewise")]
    tools: Mutex<Vec<Box<Tools>>>,
}

impl Pool {
    /// Buffers of an earlier transaction, or new ones.
    pub(super) fn take(&self) -> Box<State> {
        let kept = self.place().states.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_default()
    }

    /// Keeps buffers, unless the thread has `most` of them already.
    pub(super) fn keep(&self, state: Box<State>, most: usize) {
        let mut states = self.place().states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() < most {
            states.push(state);
        }
    }

    /// The thread's tools, or new ones.
    pub(super) fn take_tools(&self) -> Box<Tools> {
        let kept = self.place().tools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_default()
    }

    /// Keeps tools for the next transaction of the thread, or of another one with the same place: there are
    /// never more than threads run phases at once.
    pub(super) fn keep_tools(&self, tools: Box<Tools>) {
        self.place().tools.lock().unwrap_or_else(PoisonError::into_inner).push(tools);
    }

    fn place(&self) -> &Place {
        let mut number = Number(0);
        std::thread::current().id().hash(&mut number);
        // Threads are numbered in the order in which they begin.
        &self.places[number.0 as usize % PLACES]
    }
}

/// The number that is hashed.
struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().rev().fold(self.0, |number, byte| number << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_are_in_use_at_once_are_all_kept() {
        let pool = Pool::default();
        let taken = || {
            let tools = [pool.take_tools(), pool.take_tools()];
            let mut addresses = tools.each_ref().map(|tools| std::ptr::from_ref(&**tools) as usize);
            addresses.sort_unstable();
            tools.into_iter().for_each(|tools| pool.keep_tools(tools));
            addresses
        };
        assert_eq!(taken(), taken());
    }
}
