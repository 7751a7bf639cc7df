//! A line on the terminal that says how far a long command is. Where nobody watches it says nothing.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two updates of the line.
const PAUSE: Duration = Duration::from_millis(100);

/// The line.
pub(super) struct ProgressLine {
    what: &'static str,
    /// When it was last written; `None` if standard error is no terminal.
    shown: Option<Mutex<Instant>>,
}

impl ProgressLine {
    /// For a number of `what`.
    pub(super) fn new(what: &'static str) -> ProgressLine {
        ProgressLine { what, shown: stderr().is_terminal().then(|| Mutex::new(Instant::now())) }
    }

    /// Writes it, unless that was done a moment ago or is being done.
    pub(super) fn show(&self, done: usize, all: usize) {
        let Some(mut shown) = self.shown.as_ref().and_then(|shown| shown.try_lock().ok()) else { return };
        if shown.elapsed() >= PAUSE {
            *shown = Instant::now();
            eprint!("\r\x1b[K{done} of {all} {}", self.what);
        }
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
