//! What one call may cost, and the count of what it has cost.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::FailureKind;

/// Bounds on a sandbox and on each call into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of one call: an instruction, or work of about the same size. A million takes some ten
    /// milliseconds.
    pub steps: u64,
    /// Time of one call, for what steps do not measure, such as copying long strings.
    pub time: Duration,
    /// Bytes the interpreter may hold, its own 40 KB included.
    pub memory: usize,
    /// Bytes of a text that a call returns; longer ones are cut.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { steps: 1_000_000, time: Duration::from_secs(1), memory: 16 << 20, text: 64 << 10 }
    }
}

const LEFT: u8 = 0;
const NO_STEPS: u8 = 1;
const NO_TIME: u8 = 2;

/// What is left of a call's limits. Once it is spent it stays spent until the next call begins.
#[derive(Debug)]
pub(crate) struct Budget {
    created: Instant,
    steps: AtomicU64,
    /// Nanoseconds after `created`.
    deadline: AtomicU64,
    spent: AtomicU8,
}

impl Budget {
    /// A budget that is spent until [`Budget::begin`].
    pub(crate) fn new() -> Budget {
        let (steps, deadline) = (AtomicU64::new(0), AtomicU64::new(0));
        Budget { created: Instant::now(), steps, deadline, spent: AtomicU8::new(LEFT) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Begins a call.
    pub(crate) fn begin(&self, limits: &Limits) {
        let time = u64::try_from(limits.time.as_nanos()).unwrap_or(u64::MAX);
        self.steps.store(limits.steps, Ordering::Relaxed);
        self.deadline.store(self.now().saturating_add(time), Ordering::Relaxed);
        self.spent.store(LEFT, Ordering::Relaxed);
    }

    /// Takes steps, and looks at the time.
    pub(crate) fn take(&self, steps: u64) -> mlua::Result<()> {
        self.check()?;
        // Only the thread that runs the call counts, so load and store need not be one operation.
        match self.steps.load(Ordering::Relaxed).checked_sub(steps) {
            Some(left) => self.steps.store(left, Ordering::Relaxed),
            None => self.spent.store(NO_STEPS, Ordering::Relaxed),
        }
        if self.now() > self.deadline.load(Ordering::Relaxed) {
            self.spent.store(NO_TIME, Ordering::Relaxed);
        }
        self.check()
    }

    /// Steps that may still be taken.
    pub(crate) fn left(&self) -> u64 {
        if self.spent() == Some(FailureKind::Steps) { 0 } else { self.steps.load(Ordering::Relaxed) }
    }

    /// An error if the budget is spent.
    pub(crate) fn check(&self) -> mlua::Result<()> {
        match self.spent() {
            None => Ok(()),
            Some(kind) => Err(mlua::Error::runtime(kind.to_string())),
        }
    }

    /// Which limit the call has reached.
    pub(crate) fn spent(&self) -> Option<FailureKind> {
        match self.spent.load(Ordering::Relaxed) {
            LEFT => None,
            NO_STEPS => Some(FailureKind::Steps),
            _ => Some(FailureKind::Time),
        }
    }
}
