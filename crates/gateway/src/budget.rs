//! Memory that all connections together may spend on buffered bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared number of bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// Bytes held by one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    held: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Budget { limit, used: AtomicUsize::new(0) })
    }

    /// Holds nothing yet.
    pub(crate) fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), held: 0 }
    }
}

impl Reservation {
    /// Makes the reservation at least `bytes` large; `false` if the budget is spent.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.held).filter(|more| *more > 0) else {
            return true;
        };
        let limit = self.budget.limit;
        let grown = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|sum| *sum <= limit)
        });
        if grown.is_ok() {
            self.held = bytes;
        }
        grown.is_ok()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.reserve();
        let mut second = budget.reserve();
        assert!(first.grow_to(60));
        assert!(!second.grow_to(50));
        assert!(second.grow_to(40));
        assert!(first.grow_to(50), "shrinking is not growing");
        drop(first);
        assert!(second.grow_to(100));
    }
}
