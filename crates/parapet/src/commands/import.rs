//! `parapet import`: reads logs of other WAFs and says what is in them.

use super::log::Log;
use super::{Failure, Outcome};
use anyhow::Context;
use parapet_pipeline::sources::{Format, Reading, Record, Refused};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Reasons that are printed for each file.
const REASONS_MAX: usize = 10;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What one file holds.
#[derive(Debug, Default, Serialize)]
struct Counts {
    file: PathBuf,
    bytes: u64,
    lines: u64,
    events: u64,
    salvaged: u64,
    without_findings: u64,
    refused: u64,
    /// The first few, with their lines.
    reasons: Vec<(u64, String)>,
}

/// Reads the files and prints what became of their records. Fails if a file cannot be read, or none
/// of its records.
pub fn run(files: &[PathBuf], format: Format, as_json: bool) -> Outcome {
    let mut all = Vec::new();
    for file in files {
        all.push(count(file, format).with_context(|| format!("{} cannot be read", file.display()))?);
    }
    if as_json {
        let text = serde_json::to_string_pretty(&all).map_err(|error| Failure::Error(error.into()))?;
        println!("{text}");
    } else {
        all.iter().for_each(print);
    }
    let unreadable = all.iter().any(|counts| counts.refused > 0 && counts.events == 0);
    if unreadable { Err(Failure::Check) } else { Ok(()) }
}

fn print(counts: &Counts) {
    println!(
        "{}: {} events ({} salvaged), {} transactions without findings, {} refused; {} lines, {} bytes",
        counts.file.display(),
        counts.events,
        counts.salvaged,
        counts.without_findings,
        counts.refused,
        counts.lines,
        counts.bytes
    );
    for (line, reason) in &counts.reasons {
        println!("  line {line}: {reason}");
    }
}

fn count(file: &Path, format: Format) -> std::io::Result<Counts> {
    let mut log = Log::open(file, format)?;
    let mut counts = Counts { file: file.to_owned(), ..Counts::default() };
    let mut records = Vec::new();
    let progress = std::io::stderr().is_terminal();
    let mut shown = Instant::now();
    let mut more = true;
    while more {
        more = log.next(&mut records)?;
        (counts.lines, counts.bytes) = (log.lines, log.bytes);
        counts.add(&mut records);
        if progress && shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            eprint!("\r{}: {} MB, {} events ", file.display(), counts.bytes >> 20, counts.events);
        }
    }
    if progress {
        eprint!("\r\x1b[K");
    }
    Ok(counts)
}

impl Counts {
    fn add(&mut self, records: &mut Vec<Record>) {
        for Record { line, outcome, .. } in records.drain(..) {
            match outcome {
                Ok(Reading { salvaged, .. }) => {
                    self.events += 1;
                    self.salvaged += u64::from(salvaged.is_some());
                }
                Err(Refused::NoFindings) => self.without_findings += 1,
                Err(refused) => {
                    self.refused += 1;
                    if self.reasons.len() < REASONS_MAX {
                        self.reasons.push((line, refused.to_string()));
                    }
                }
            }
        }
    }
}
