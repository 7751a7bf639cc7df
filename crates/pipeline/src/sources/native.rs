//! The native audit log of ModSecurity 2 and 3: a record of several lines in sections, each of which
//! begins with a boundary line, `--79d88424-A--` to `--79d88424-Z--`.
//!
//! Sections of bodies hold what clients and applications sent, as it was sent, so a body can hold
//! lines that look like the beginning of a record. Only the record's own random boundary ends such a
//! section. If it never comes, the record was cut off, and what looked like a beginning was one.

use super::transaction::{Message, Transaction};
use super::{RECORD_BYTES_MAX, Reading, Record, Refused, modsecurity2_json, rule_line, time};
use std::borrow::Cow;

/// Rules and headers of one record that are kept.
const LINES_MAX: usize = 10_000;
/// Bytes of a record, bodies included, that are kept for the dead letter.
const RAW_BYTES_MAX: usize = 1 << 20;
/// Records inside bodies inside records that are looked into.
const DOUBTS_MAX: usize = 8;

/// Collects the lines of records.
#[derive(Debug, Default)]
pub(super) struct Native {
    open: Option<Open>,
    /// Lines since one in a body looked like the beginning of another record.
    doubt: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    token: String,
    section: u8,
    /// Number and position of its first line.
    line: u64,
    position: u64,
    /// Lines of all sections that matter, each with the section's letter.
    lines: Vec<(u8, String)>,
    /// Bytes in them.
    kept: usize,
    /// Some were too many.
    over_limit: bool,
    /// The record as it came, for the dead letter, up to a limit.
    raw: Vec<u8>,
}

impl Native {
    /// Position of the first line that belongs to no finished record.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.position)
    }

    /// Takes one line, whose number and position are given.
    pub(super) fn line(&mut self, number: u64, position: u64, line: &[u8], out: &mut Vec<Record>) {
        let boundary = boundary(line);
        let Some(open) = &mut self.open else {
            return match boundary {
                Some((token, b'A')) => self.begin(token, number, position, line),
                _ if line.iter().all(u8::is_ascii_whitespace) => {}
                _ => out.push(Record::refused(number, Refused::Stray, line)),
            };
        };
        match boundary {
            Some((token, section)) if token == open.token => {
                self.doubt.clear();
                open.section = section;
                open.keep_raw(line);
                if section == b'Z' {
                    self.close(None, out);
                }
            }
            Some((token, b'A')) if !open.in_body() => {
                self.close(Some("cut off: another record begins inside it"), out);
                self.begin(token, number, position, line);
            }
            Some((_, b'A')) if self.doubt.is_empty() => self.keep_doubt(line, out),
            _ if !self.doubt.is_empty() => self.keep_doubt(line, out),
            _ => open.keep(line),
        }
    }

    /// Ends a record that waits for more lines.
    pub(super) fn finish(&mut self, out: &mut Vec<Record>) {
        for _ in 0..DOUBTS_MAX {
            let Some(open) = &self.open else { return };
            let (number, position) = (open.line, open.position);
            self.close(Some("cut off: its end is missing"), out);
            let lines = std::mem::take(&mut self.doubt);
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                self.line(number, position, line.strip_suffix(b"\n").unwrap_or(line), out);
            }
        }
        self.doubt.clear();
        self.close(Some("cut off: its end is missing"), out);
    }

    fn begin(&mut self, token: String, line: u64, position: u64, text: &[u8]) {
        let (lines, raw) = (Vec::new(), Vec::new());
        let mut open = Open { token, section: b'A', line, position, lines, kept: 0, over_limit: false, raw };
        open.keep_raw(text);
        self.open = Some(open);
    }

    fn keep_doubt(&mut self, line: &[u8], out: &mut Vec<Record>) {
        self.doubt.extend_from_slice(line);
        self.doubt.push(b'\n');
        if self.doubt.len() > RECORD_BYTES_MAX {
            self.finish(out);
        }
    }

    fn close(&mut self, damage: Option<&str>, out: &mut Vec<Record>) {
        let Some(open) = self.open.take() else { return };
        let damage = damage.or(open.over_limit.then_some("parts of it are over the limit of a record"));
        let event = open.transaction().and_then(Transaction::into_event);
        out.push(match event {
            Ok(event) => Record {
                line: open.line,
                outcome: Ok(Reading { event, salvaged: damage.map(str::to_owned) }),
                raw: Vec::new(),
            },
            Err(refused) => Record { line: open.line, outcome: Err(refused), raw: open.raw },
        });
    }
}

/// Token and section of a boundary line: `--79d88424-A--`, or `---DoKz2abZ---A--` of version 3.
fn boundary(line: &[u8]) -> Option<(String, u8)> {
    let inner = line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(b"--")?.strip_suffix(b"--")?;
    let (token, section) = match inner {
        [token @ .., b'-', section @ b'A'..=b'Z'] => (token, *section),
        _ => return None,
    };
    let is_token =
        (8..=64).contains(&token.len()) && token.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_token.then(|| (String::from_utf8_lossy(token).into_owned(), section))
}

impl Open {
    /// Request and response bodies, and lists of files and rules.
    fn in_body(&self) -> bool {
        matches!(self.section, b'C' | b'D' | b'E' | b'G' | b'I' | b'J' | b'K')
    }

    fn keep_raw(&mut self, line: &[u8]) {
        if self.raw.len() + line.len() < RAW_BYTES_MAX {
            self.raw.extend_from_slice(line);
            self.raw.push(b'\n');
        }
    }

    fn keep(&mut self, line: &[u8]) {
        self.keep_raw(line);
        if self.in_body() {
            return;
        }
        if self.lines.len() == LINES_MAX || self.kept + line.len() > RECORD_BYTES_MAX {
            self.over_limit = true;
            return;
        }
        self.kept += line.len();
        let line = super::shown(line.strip_suffix(b"\r").unwrap_or(line));
        self.lines.push((self.section, line.into_owned()));
    }

    fn section(&self, section: u8) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().filter(move |(of, line)| *of == section && !line.is_empty());
        lines.map(|(_, line)| line.as_str())
    }

    fn transaction(&self) -> Result<Transaction<'_>, Refused> {
        let first = self.section(b'A').next().unwrap_or_default();
        let (at, rest) = first.strip_prefix('[').and_then(|text| text.split_once("] ")).unwrap_or_default();
        let mut words = rest.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (unique_id, client_ip, client_port) = (word(), word(), word());
        let mut request = self.section(b'B');
        let (method, uri, protocol) = rule_line::request_line(request.next().unwrap_or_default());
        let status = self.section(b'F').next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut transaction = Transaction {
            time: time::of_common_log(at),
            unique_id: Cow::Borrowed(unique_id),
            client_ip: Cow::Borrowed(client_ip),
            client_port: client_port.parse().unwrap_or_default(),
            method: Cow::Borrowed(method),
            uri: Cow::Borrowed(uri),
            protocol: Cow::Borrowed(protocol),
            headers: request
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            status: status.unwrap_or_default(),
            interrupted: Some(false),
            ..Transaction::default()
        };
        for line in self.section(b'H') {
            trailer(line, &mut transaction);
        }
        Ok(transaction)
    }
}

/// One line of section H.
fn trailer<'a>(line: &'a str, transaction: &mut Transaction<'a>) {
    let rule = line.strip_prefix("ModSecurity: ").or_else(|| line.strip_prefix("Message: "));
    if let Some(rule) = rule.and_then(rule_line::parse) {
        if rule.denied {
            transaction.interrupted = Some(true);
            if transaction.status == 0 {
                transaction.status = rule.status;
            }
        }
        let message: Message<'a> = rule.message;
        transaction.messages.push(message);
    } else if line.starts_with("Action: Intercepted") {
        transaction.interrupted = Some(true);
    } else if let Some(names) = line.strip_prefix("Producer: ") {
        transaction.policy = modsecurity2_json::components(names.split(';'));
    }
}
