//! A pipeline for the tests of this room: it keeps the lines that it is given.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_ports::source::{Receipt, Refusal};
use parapet_ports::{PortError, RecordSession, RecordSink};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Keeps the lines it was given, in their order. Lines that begin with `+` wait for
/// the line after, lines that begin with `!` are refused.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<String>>);

impl Kept {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until there are so many lines.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{lines:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

struct Keeping {
    kept: Arc<Kept>,
    waiting: Vec<String>,
    taken: u64,
}

/// Opens sessions that keep their lines.
pub(crate) struct Sink(pub(crate) Arc<Kept>);

impl RecordSink for Sink {
    fn session(&self) -> Box<dyn RecordSession> {
        Box::new(Keeping { kept: self.0.clone(), waiting: Vec::new(), taken: 0 })
    }
}

#[async_trait]
impl RecordSession for Keeping {
    async fn take(&mut self, lines: &[u8], _: Option<DateTime<Utc>>) -> Result<Receipt, PortError> {
        let mut receipt = Receipt::default();
        for line in String::from_utf8(lines.to_vec()).unwrap().lines() {
            self.taken += 1;
            if line.starts_with('!') {
                receipt.refused += 1;
                receipt.refusals.push(Refusal { line: self.taken, reason: "no record".into() });
                continue;
            }
            receipt.events += 1;
            self.waiting.push(line.to_owned());
            if !line.starts_with('+') {
                self.kept.0.lock().unwrap().append(&mut self.waiting);
            }
        }
        receipt.held = self.waiting.iter().map(|line| line.len() as u64 + 1).sum();
        Ok(receipt)
    }

    async fn refuse(&mut self, record: &[u8], reason: &str) -> Result<Receipt, PortError> {
        let line = format!("REFUSED {reason}: {}", String::from_utf8_lossy(record));
        self.kept.0.lock().unwrap().push(line);
        Ok(Receipt::default())
    }

    async fn finish(&mut self) -> Result<Receipt, PortError> {
        self.kept.0.lock().unwrap().append(&mut self.waiting);
        Ok(Receipt::default())
    }
}
