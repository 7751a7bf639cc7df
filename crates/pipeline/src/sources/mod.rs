//! Sources: what other WAFs log, as security events.
//!
//! A [`Reader`] takes the lines of one log, in any of the known formats, and gives
//! [`SecurityEvent`]s, so that an existing fleet can use the platform as it is. A record that is
//! damaged is salvaged where its meaning is beyond doubt; otherwise it is refused with the reason, and
//! whoever reads the log keeps it as a dead letter. Either is counted, nothing is lost.
//!
//! | format | file | record |
//! |---|---|---|
//! | ModSecurity 3 JSON, Parapet's own audit log | `modsecurity_json` | one line |
//! | ModSecurity 2 JSON | `modsecurity2_json` | one line |
//! | Coraza JSON | `coraza_json` | one line |
//! | ModSecurity 2 and 3 native audit log | `native` | lines between boundaries |
//! | an event of Parapet's, as streams and the API show it | `json` | one line |
//! | nginx and Apache error logs | `error_log` | lines of one transaction |
//!
//! Readers are pure, never recurse and hold at most [`RECORD_BYTES_MAX`] bytes of unfinished records.
//! [`intake`] hands on what they give.

mod coraza_json;
mod error_log;
mod identity;
pub mod intake;
mod json;
mod modsecurity2_json;
mod modsecurity_json;
#[cfg(test)]
mod modsecurity_json_tests;
mod native;
#[cfg(test)]
mod real_logs_tests;
mod rule_line;
mod rule_match;
mod salvage;
mod text;
mod time;
mod transaction;

use chrono::{DateTime, Utc};
use error_log::ErrorLog;
pub(crate) use identity::event_id;
use native::Native;
use parapet_event::SecurityEvent;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write;
use thiserror::Error;

/// Longest record read, and most that a reader holds of unfinished ones.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Told by the first line that is not empty.
    #[default]
    Auto,
    /// A JSON record per line: ModSecurity 2 and 3, Coraza, Parapet.
    Json,
    /// The native audit log of ModSecurity 2 and 3.
    Native,
    /// Error log of nginx or Apache.
    ErrorLog,
}

impl Format {
    /// The format that a log with such a first line has.
    fn of(line: &[u8]) -> Format {
        match line.trim_ascii_start() {
            [b'{', ..] => Format::Json,
            [b'-', b'-', ..] => Format::Native,
            _ => Format::ErrorLog,
        }
    }
}

/// A record that became an event, not numbered yet and of no site.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The event.
    pub event: SecurityEvent,
    /// What was repaired, if the record was damaged.
    pub salvaged: Option<String>,
}

/// Why a record is no event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not the format, even after repair.
    #[error("not a JSON record of a known WAF: {0}")]
    Syntax(String),
    /// A part without which there is no event.
    #[error("the {field} is missing or unusable: \"{value}\"")]
    Field {
        /// What is missing.
        field: &'static str,
        /// What was there, cut to 64 characters.
        value: String,
    },
    /// The transaction was logged although no rule matched, for example for its status.
    #[error("no rule matched in this transaction")]
    NoFindings,
    /// A line of a native audit log that belongs to no record.
    #[error("the line is outside of any record")]
    Stray,
    /// The source knows better.
    #[error("{0}")]
    BySource(String),
    /// Over the limit of a record.
    #[error("the record has {0} bytes, more than the limit of {RECORD_BYTES_MAX}")]
    Size(usize),
}

/// One finished record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Number of its first line, from 1.
    pub line: u64,
    /// What became of it.
    pub outcome: Result<Reading, Refused>,
    /// The record as it came, if it was refused.
    pub raw: Vec<u8>,
}

impl Record {
    fn refused(line: u64, why: Refused, raw: &[u8]) -> Self {
        Record { line, outcome: Err(why), raw: raw.to_owned() }
    }
}

/// Reads one log.
#[derive(Debug, Default)]
pub struct Reader {
    format: Format,
    native: Native,
    error_log: ErrorLog,
    lines: u64,
    bytes: u64,
}

impl Reader {
    /// A reader at the beginning of a log, or of any record in it.
    pub fn new(format: Format) -> Self {
        Reader { format, ..Reader::default() }
    }

    /// Takes the next line, without its line feed, and adds finished records to `out`. `received` is
    /// when the line arrived, for lines that carry no time of their own.
    pub fn line(&mut self, line: &[u8], received: Option<DateTime<Utc>>, out: &mut Vec<Record>) {
        let position = self.bytes;
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
        if self.format == Format::Auto && !line.trim_ascii().is_empty() {
            self.format = Format::of(line);
        }
        match self.format {
            Format::Auto => {}
            Format::Json => {
                let record = line.trim_ascii();
                if !record.is_empty() {
                    out.push(self.json(record));
                }
            }
            Format::Native => self.native.line(self.lines, position, line, out),
            Format::ErrorLog => self.error_log.line((self.lines, position), line, received, out),
        }
    }

    fn json(&self, record: &[u8]) -> Record {
        let outcome =
            if record.len() > RECORD_BYTES_MAX { Err(Refused::Size(record.len())) } else { json::read(record) };
        let raw = if outcome.is_err() { record.to_owned() } else { Vec::new() };
        Record { line: self.lines, outcome, raw }
    }

    /// Ends what waits for further lines: at the end of the log, or when none came for a while.
    pub fn finish(&mut self, out: &mut Vec<Record>) {
        self.native.finish(out);
        self.error_log.finish(out);
    }

    /// Bytes at the end of what was taken, line ends included, that belong to unfinished records: who
    /// reads again from there misses nothing.
    pub fn held(&self) -> u64 {
        let from = [self.native.held_from(), self.error_log.held_from()].into_iter().flatten().min();
        from.map_or(0, |from| self.bytes - from)
    }
}

/// Text with bytes that are not UTF-8 shown as `\xHH`.
fn shown(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}
