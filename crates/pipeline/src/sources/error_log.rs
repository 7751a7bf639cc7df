//! Error logs of nginx and Apache with lines of ModSecurity, or of Coraza: one line per rule, so the
//! lines of a transaction are put together by its id.
//!
//! Lines of several transactions may alternate. A transaction is complete when the log has moved on by
//! two seconds since its last line, or when nothing came for a while. Lines that are not of a WAF are
//! passed over. nginx cuts lines after 2048 bytes; what is whole of such a line is kept, and if its id
//! is lost, the line is an event of its own.

use super::transaction::{Message, Transaction};
use super::{RECORD_BYTES_MAX, Reading, Record, Refused, rule_line, time};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use std::borrow::Cow;
use std::collections::VecDeque;

/// How long the lines of one transaction may be apart.
const TOGETHER: TimeDelta = TimeDelta::seconds(2);
/// Transactions put together at the same time.
const OPEN_MAX: usize = 1000;
/// Lines of one transaction.
const LINES_MAX: usize = 1000;

/// Puts transactions together.
#[derive(Debug, Default)]
pub(super) struct ErrorLog {
    /// In the order of their first lines.
    open: VecDeque<Open>,
    bytes: usize,
}

#[derive(Debug)]
struct Open {
    line: u64,
    position: u64,
    bytes: usize,
    last: DateTime<Utc>,
    cut_off: bool,
    transaction: Transaction<'static>,
}

impl ErrorLog {
    /// Position of the first line that belongs to no finished transaction.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.open.iter().map(|open| open.position).min()
    }

    /// Takes one line. `received` is when it arrived, for lines that carry no time.
    pub(super) fn line(
        &mut self,
        (number, position): (u64, u64),
        bytes: &[u8],
        received: Option<DateTime<Utc>>,
        out: &mut Vec<Record>,
    ) {
        let text = super::shown(bytes);
        let Some(line) = Line::parse(&text) else { return };
        let transaction = line.transaction(received);
        let Some(at) = transaction.time else {
            return out.push(Record::refused(number, Refused::Field { field: "time", value: String::new() }, bytes));
        };
        self.close_while(out, |open, _, _| at - open.last > TOGETHER);
        self.bytes += bytes.len();
        let same = |open: &&mut Open| {
            let known = &open.transaction;
            known.unique_id == transaction.unique_id
                && known.client_ip == transaction.client_ip
                && known.messages.len() < LINES_MAX
        };
        if let Some(open) = self.open.iter_mut().rev().find(same) {
            open.bytes += bytes.len();
            open.last = open.last.max(at);
            open.cut_off |= line.rule.cut_off;
            open.add(transaction);
        } else {
            let (bytes, cut_off) = (bytes.len(), line.rule.cut_off);
            self.open.push_back(Open { line: number, position, bytes, last: at, cut_off, transaction });
        }
        self.close_while(out, |_, transactions, bytes| transactions > OPEN_MAX || bytes > RECORD_BYTES_MAX);
    }

    /// Ends all transactions.
    pub(super) fn finish(&mut self, out: &mut Vec<Record>) {
        self.close_while(out, |_, _, _| true);
    }

    /// Ends the oldest transaction as long as it is due, given how many there are and their size.
    fn close_while(&mut self, out: &mut Vec<Record>, due: impl Fn(&Open, usize, usize) -> bool) {
        while self.open.front().is_some_and(|open| due(open, self.open.len(), self.bytes))
            && let Some(open) = self.open.pop_front()
        {
            self.bytes -= open.bytes;
            let salvaged = open.cut_off.then(|| "a line is cut off".to_owned());
            let outcome = open.transaction.into_event().map(|event| Reading { event, salvaged });
            out.push(Record { line: open.line, outcome, raw: Vec::new() });
        }
    }
}

impl Open {
    /// Adds what a further line says.
    fn add(&mut self, line: Transaction<'static>) {
        let known = &mut self.transaction;
        known.messages.extend(line.messages);
        if line.interrupted == Some(true) {
            known.interrupted = Some(true);
            known.status = line.status;
        }
    }
}

/// A line of a WAF.
struct Line<'a> {
    head: &'a str,
    rule: rule_line::RuleLine<'a>,
    whole: &'a str,
}

impl<'a> Line<'a> {
    /// `None` if it is not one, or names no rule.
    fn parse(text: &'a str) -> Option<Self> {
        let found = ["ModSecurity: ", "Coraza: "].iter().find_map(|marker| Some((text.find(marker)?, marker.len())));
        let (at, length) = found.filter(|(at, _)| is_head(&text[..*at]))?;
        let rule = rule_line::parse(&text[at + length..])?;
        Some(Line { head: &text[..at], rule, whole: text })
    }

    fn transaction(&self, received: Option<DateTime<Utc>>) -> Transaction<'static> {
        let rule = &self.rule;
        // The time in an id only corrects the zone, so that it does not matter if the id was cut off.
        let local = time::of_slashes(self.head).or_else(|| time::of_ctime(self.head.strip_prefix('[')?));
        let time = local.map(|local: NaiveDateTime| time::correct(local, &rule.unique_id)).or(received);
        let (client_ip, client_port) = self.client();
        let (request, host) = requested(rule.trailer);
        let (method, target, protocol) = rule_line::request_line(request);
        let own = |text: &str| Cow::Owned(text.to_owned());
        Transaction {
            unique_id: own(if rule.unique_id.is_empty() { self.whole } else { &rule.unique_id }),
            client_ip: own(client_ip),
            client_port,
            time,
            method: own(method),
            uri: own(if target.is_empty() { &rule.uri } else { target }),
            protocol: own(protocol),
            host: own(if host.is_empty() { &rule.hostname } else { host }),
            status: rule.status,
            interrupted: Some(rule.denied),
            messages: vec![self.message()],
            ..Transaction::default()
        }
    }

    fn message(&self) -> Message<'static> {
        self.rule.message.clone().owned()
    }

    /// Address and port. Apache gives the address with the port first; the last one is the address.
    fn client(&self) -> (&'a str, u16) {
        let mut clients = self.head.match_indices("[client ").filter_map(|(at, key)| {
            let (client, _) = self.head[at + key.len()..].split_once(']')?;
            Some(client.trim_matches('"'))
        });
        let first = clients.next().unwrap_or_default();
        let address = clients.last().unwrap_or(first);
        let port = first.strip_prefix(address).and_then(|rest| rest.strip_prefix(':'));
        match port {
            Some(port) => (address, port.parse().unwrap_or_default()),
            // Only Apache's own: address and port in one.
            None if address.parse::<std::net::IpAddr>().is_err() => match address.rsplit_once(':') {
                Some((address, port)) => (address, port.parse().unwrap_or_default()),
                None => (address, 0),
            },
            None => (address, 0),
        }
    }
}

/// Whether a WAF's text may follow: only brackets, numbers and the signs between them. In lines of
/// other modules a client can have placed anything behind their first word.
fn is_head(head: &str) -> bool {
    let mut in_brackets = false;
    head.bytes().all(|byte| match byte {
        b'[' if !in_brackets => {
            in_brackets = true;
            true
        }
        b']' => std::mem::take(&mut in_brackets),
        _ => in_brackets || byte.is_ascii_digit() || b" /:#*.".contains(&byte),
    }) && !in_brackets
}

/// Request line and Host that nginx adds: `, client: …, server: …, request: "GET / HTTP/1.1", host: "…"`.
fn requested(trailer: &str) -> (&str, &str) {
    let Some((_, rest)) = trailer.split_once(", request: \"") else { return ("", "") };
    let ends = ["\", upstream: ", "\", host: ", "\", referrer: "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    let (request, rest) = rest.split_at(end.unwrap_or_else(|| rest.trim_end_matches('"').len()));
    let host = rest.split_once("host: \"").and_then(|(_, host)| host.split_once('"')).map(|(host, _)| host);
    (request, host.unwrap_or_default())
}
