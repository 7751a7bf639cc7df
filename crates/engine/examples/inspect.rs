//! Runs one raw HTTP/1.1 request through rule files and prints what they found.
//!
//! `cargo run --release -p parapet-engine --example inspect -- REQUEST RULES.conf... [--time N]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parapet_engine::{Context, Policy, Transaction};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match arguments.iter().position(|argument| argument == "--time") {
        Some(at) => arguments.split_off(at).get(1).map_or(Ok(1000), |number| number.parse())?,
        None => 0,
    };
    let [request, rules @ ..] = arguments.as_slice() else {
        return Err("usage: inspect REQUEST RULES.conf... [--time N]".into());
    };
    let request = Request::parse(&std::fs::read(request)?).ok_or("not an HTTP/1.1 request")?;
    let start = Instant::now();
    let policy = Arc::new(Policy::load(&rules.iter().map(PathBuf::from).collect::<Vec<_>>())?);
    print(&format!("{} rules loaded in {:?}", policy.rule_count(), start.elapsed()));
    let transaction = request.run(&policy);
    for found in transaction.matches() {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        print(&format!("{} {} {} [{}]", found.rule_id, text(found.variable), text(found.message), text(found.data)));
    }
    print(&format!("{:?}, {} working bytes", transaction.scores(), transaction.working_bytes()));
    drop(transaction);
    if rounds > 0 {
        let mut times: Vec<_> = (0..rounds)
            .map(|_| {
                let start = Instant::now();
                request.run(&policy);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        print(&format!("median {:?}, fastest {:?}", times.get(times.len() / 2), times.first()));
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "printing is what the example is for")]
fn print(line: &str) {
    println!("{line}");
}

struct Request {
    line: Vec<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn parse(raw: &[u8]) -> Option<Request> {
        let mut rest = raw;
        let mut next_line = || {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let line = rest.get(..end)?.trim_ascii_end();
            rest = rest.get(end + 1..)?;
            Some(line)
        };
        let line = next_line()?.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec).collect();
        let mut headers = Vec::new();
        while let Some(header) = next_line().filter(|line| !line.is_empty()) {
            let colon = header.iter().position(|byte| *byte == b':')?;
            headers.push((header.get(..colon)?.to_vec(), header.get(colon + 1..)?.trim_ascii().to_vec()));
        }
        Some(Request { line, headers, body: rest.to_vec() })
    }

    fn run(&self, policy: &Arc<Policy>) -> Transaction {
        let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
        let part = |index: usize| self.line.get(index).map(Vec::as_slice).unwrap_or_default();
        transaction.request_line(part(0), part(1), part(2));
        for (name, value) in &self.headers {
            transaction.request_header(name, value);
        }
        let mut stopped = transaction.process_request_headers().is_some();
        if !stopped {
            if transaction.wants_request_body() {
                transaction.append_request_body(&self.body);
            }
            stopped = transaction.process_request_body().is_some();
        }
        if !stopped {
            transaction.response_line(200, b"HTTP/1.1");
            transaction.response_header(b"Content-Type", b"text/html");
            transaction.process_response_headers();
            if transaction.wants_response_body() {
                transaction.append_response_body(b"<html><body><h1>It works: hello</h1></body></html>");
            }
            transaction.process_response_body();
        }
        transaction.process_logging();
        transaction
    }
}
