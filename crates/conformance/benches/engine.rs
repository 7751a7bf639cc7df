//! Time and memory of the engine with the Core Rule Set: paranoia 1, blocking, all five phases, body
//! inspection in both directions, one thread, in process.
//!
//! `bench/engine` runs it. Arguments: the CRS root, the directory of requests, and the seconds to
//! spend on each request.

#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parapet_conformance::{Mode, rule_set};
use parapet_engine::{Context, Policy, Transaction};

/// The requests and the names of their figures.
const REQUESTS: [(&str, &str); 4] = [
    ("engine_get_us", "browser-get.http"),
    ("engine_json_post_us", "json-post-2k.http"),
    ("engine_form_64k_us", "form-post-64k.http"),
    ("engine_attack_us", "attack-get.http"),
];

/// What the backend answers; inspected as any page.
const PAGE: &[u8] = b"<!DOCTYPE html><html lang=\"en\"><head><title>Shop</title></head><body><h1>Running shoes</h1>\
<p>Forty-two pairs in stock, from 49.95. Free delivery within three days, returns within a month.</p>\
<ul><li>Road</li><li>Trail</li><li>Track</li></ul><p>Questions? Write to us, we answer within a day.</p></body></html>";

struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    protocol: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // cargo bench adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [rules, requests, seconds] = arguments.as_slice() else {
        // cargo test runs benches too, without arguments.
        println!("usage: engine RULES REQUESTS SECONDS; run bench/engine");
        return Ok(());
    };
    let budget = Duration::from_secs_f64(seconds.parse()?);
    let start = Instant::now();
    let rule_set = rule_set(Path::new(rules), Mode::Blocking(1))?;
    let load = start.elapsed();
    let mut figures = vec![("crs_load_ms".to_owned(), load.as_secs_f64() * 1e3)];
    println!("{:<22}{:>12}{:>12}{:>12}{:>10}", "", "median us", "p90 us", "runs", "status");
    for (name, file) in REQUESTS {
        let request = read(&PathBuf::from(requests).join(file))?;
        let (times, status) = measure(&rule_set.policy, &request, budget);
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
        println!("{name:<22}{:>12.1}{:>12.1}{:>12}{status:>10}", micros(at(0.5)), micros(at(0.9)), times.len());
        figures.push((name.to_owned(), micros(at(0.5))));
    }
    let resident = resident_megabytes();
    println!(
        "CRS load {:.0} ms, {} rules, resident {resident:.1} MB",
        load.as_secs_f64() * 1e3,
        rule_set.policy.rule_count()
    );
    figures.push(("engine_rss_mb".to_owned(), resident));
    let fields: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\":{value:.2}")).collect();
    println!("{{{}}}", fields.join(","));
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Times of single transactions, sorted, after a warm-up of a tenth of the budget.
fn measure(policy: &Arc<Policy>, request: &Request, budget: Duration) -> (Vec<Duration>, u16) {
    const MOST: usize = 2_000_000;
    let mut status = 0;
    let warm_up = Instant::now();
    while warm_up.elapsed() < budget / 10 {
        status = transact(policy, request);
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < budget && times.len() < MOST {
        let begin = Instant::now();
        transact(policy, request);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    (times, status)
}

/// One transaction; its status.
fn transact(policy: &Arc<Policy>, request: &Request) -> u16 {
    let context = Context {
        unique_id: "01JD8Z3W6Q4M2N7P5R9T1V3X5Y".into(),
        now_micros: 1_795_305_600_000_000,
        client: SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 40_000)),
        server: SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
        server_name: "shop.example.com".into(),
    };
    let mut transaction = Transaction::new(Arc::clone(policy), context);
    let status = phases(&mut transaction, request);
    transaction.process_logging();
    status
}

fn phases(transaction: &mut Transaction, request: &Request) -> u16 {
    transaction.request_line(&request.method, &request.target, &request.protocol);
    for (name, value) in &request.headers {
        transaction.request_header(name, value);
    }
    if let Some(intervention) = transaction.process_request_headers() {
        return intervention.status;
    }
    if transaction.wants_request_body() {
        transaction.append_request_body(&request.body);
    }
    if let Some(intervention) = transaction.process_request_body() {
        return intervention.status;
    }
    transaction.response_line(200, b"HTTP/1.1");
    transaction.response_header(b"Content-Type", b"text/html; charset=utf-8");
    transaction.response_header(b"Server", b"sample");
    if let Some(intervention) = transaction.process_response_headers() {
        return intervention.status;
    }
    if transaction.wants_response_body() {
        transaction.append_response_body(PAGE);
    }
    transaction.process_response_body().map_or(200, |intervention| intervention.status)
}

/// A request as it goes over the wire.
fn read(path: &Path) -> Result<Request, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let malformed = || format!("{} is not an HTTP request", path.display());
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(malformed)?;
    let (head, body) = bytes.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec());
    let line = lines.next().ok_or_else(malformed)?;
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, protocol] = parts.as_slice() else { return Err(malformed().into()) };
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((line.get(..colon)?.to_vec(), line.get(colon + 1..)?.trim_ascii().to_vec()))
    });
    Ok(Request {
        method: method.to_vec(),
        target: target.to_vec(),
        protocol: protocol.to_vec(),
        headers: headers.collect(),
        body: body.get(4..).unwrap_or_default().to_vec(),
    })
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1024.0
}
