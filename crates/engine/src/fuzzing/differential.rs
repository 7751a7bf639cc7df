//! The fast way of running a policy finds what the slow, obviously right way finds, and so does the
//! recorded way.

use std::sync::Arc;

use parapet_seclang::{NoFiles, parse_str};

use super::choices::Choices;
use super::rules::{self, Exchange};
use crate::trace::TraceLimits;
use crate::{Context, Limits, Policy, Transaction};
use parapet_script::Limits as ScriptLimits;
use std::time::Duration;

/// No limit that one way of running might meet and the other not.
const UNLIMITED: Limits = Limits {
    steps: u64::MAX,
    steps_per_byte: 0,
    working_bytes: 1 << 30,
    collection_values: 20_000,
    headers: 1_000,
    xml_depth: 200,
    multipart_parts: 2_000,
    matches: 1_000,
    variables: 5_000,
    pooled_transactions: 4,
    pooled_bytes: 256 << 10,
    remembered_bytes: 16 << 10,
    script: ScriptLimits { steps: 1_000_000, time: Duration::from_secs(5), memory: 16 << 20, text: 64 << 10 },
};

/// A policy in both ways of running it.
pub struct Twins {
    fast: Arc<Policy>,
    slow: Arc<Policy>,
}

impl Twins {
    /// Both from the same compiler: it must give the same policy twice.
    ///
    /// # Errors
    /// That of the compiler.
    pub fn new<E>(compile: impl Fn() -> Result<Policy, E>) -> Result<Twins, E> {
        let fast = Arc::new(compile()?.with_limits(UNLIMITED));
        let slow = Arc::new(compile()?.with_limits(UNLIMITED).exhaustive());
        Ok(Twins { fast, slow })
    }

    fn compare(&self, exchange: &Exchange, rules: &[u8]) {
        let begin = |policy: &Arc<Policy>| Transaction::new(Arc::clone(policy), Context::default());
        let (slow, _) = outcome(begin(&self.slow), exchange);
        let shown = String::from_utf8_lossy(rules);
        // A state that was used before behaves like a new one; what is found out of a value the second time
        // is made use of the third time.
        for time in 1..=3 {
            let (fast, _) = outcome(begin(&self.fast), exchange);
            assert_eq!(fast, slow, "fast on the left, slow on the right, time {time}\n{shown}\n{exchange:?}");
        }
        let traced = begin(&self.fast).with_trace(TraceLimits { failed_tests: true, ..TraceLimits::default() });
        assert_eq!(outcome(traced, exchange).0, slow, "traced\n{shown}\n{exchange:?}");
    }

    /// One request against this policy, as text: request line, headers, an empty line, body. The body
    /// is also the body of the response.
    pub fn request(&self, text: &[u8]) {
        self.compare(&parse(text), b"");
    }
}

/// Random rules against random requests.
pub fn random_rules(input: &[u8]) {
    let mut choices = Choices::new(input);
    let rules = rules::configuration(&mut choices);
    // What does not parse or compile has no two ways of running it.
    let Ok(configuration) = parse_str("fuzz.conf", &rules, &NoFiles) else { return };
    let Ok(twins) = Twins::new(|| Policy::compile(&configuration, &NoFiles)) else { return };
    for _ in 0..4 {
        twins.compare(&rules::exchange(&mut choices), &rules);
        if choices.is_empty() {
            break;
        }
    }
}

/// Everything that can be seen of a transaction from outside, and the transaction.
pub(super) fn outcome(mut transaction: Transaction, exchange: &Exchange) -> (Vec<String>, Transaction) {
    let mut seen = Vec::new();
    transaction.request_line(&exchange.method, &exchange.uri, b"HTTP/1.1");
    for (name, value) in &exchange.headers {
        transaction.request_header(name, value);
    }
    seen.push(format!("{:?}", transaction.process_request_headers()));
    if transaction.wants_request_body() {
        seen.push(format!("{:?}", transaction.append_request_body(&exchange.body)));
    }
    seen.push(format!("{:?}", transaction.process_request_body()));
    transaction.response_line(exchange.status, b"HTTP/1.1");
    transaction.response_header(b"Content-Type", b"text/html");
    transaction.response_header(b"X", &exchange.response);
    seen.push(format!("{:?}", transaction.process_response_headers()));
    if transaction.wants_response_body() {
        seen.push(format!("{:?}", transaction.append_response_body(&exchange.response)));
    }
    seen.push(format!("{:?}", transaction.process_response_body()));
    transaction.process_logging();
    seen.extend(transaction.matches().map(|found| format!("{found:?}")));
    for name in [&b"a"[..], b"b", b"0", b"1", b"inbound_anomaly_score"] {
        seen.push(format!("{:?}", transaction.tx(name)));
    }
    seen.push(format!("{:?} {:?} {:?}", transaction.scores(), transaction.engine_mode(), transaction.audit()));
    seen.extend(transaction.limits_met().map(|limit| format!("{limit:?}")));
    (seen, transaction)
}

fn parse(text: &[u8]) -> Exchange {
    let mut rest = text;
    let mut line = || {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    };
    let first = line();
    let (method, uri) = split(first, b' ');
    let uri = uri.strip_suffix(b" HTTP/1.1").unwrap_or(uri);
    let mut headers = Vec::new();
    loop {
        let (name, value) = match line() {
            b"" => break,
            header => split(header, b':'),
        };
        headers.push((name.to_vec(), value.trim_ascii_start().to_vec()));
    }
    let body = rest.to_vec();
    Exchange { method: method.to_vec(), uri: uri.to_vec(), headers, response: body.clone(), body, status: 200 }
}

fn split(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = memchr::memchr(at, text).unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
}
