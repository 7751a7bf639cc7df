//! The same transactions through the crate zentinel-modsec: a yardstick of bench/engine.
//!
//! usage: RULES SECONDS REQUEST...; RULES is one file that includes the rest. For each request
//! prints a line "FILE MEDIAN_US STATUS".

use std::path::Path;
use std::time::{Duration, Instant};

use zentinel_modsec::ModSecurity;

/// The page that bench/engine answers with.
const PAGE: &[u8] = b"<!DOCTYPE html><html lang=\"en\"><head><title>Shop</title></head><body><h1>Running shoes</h1>\
<p>Forty-two pairs in stock, from 49.95. Free delivery within three days, returns within a month.</p>\
<ul><li>Road</li><li>Trail</li><li>Track</li></ul><p>Questions? Write to us, we answer within a day.</p></body></html>";

struct Request {
    method: String,
    target: String,
    protocol: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rules, seconds, requests @ ..] = arguments.as_slice() else {
        return Err("usage: RULES SECONDS REQUEST...".into());
    };
    let start = Instant::now();
    let engine = ModSecurity::from_file(rules)?;
    println!("load {:.2} 0", start.elapsed().as_secs_f64() * 1e3);
    let budget = Duration::from_secs_f64(seconds.parse()?);
    for path in requests {
        let request = read(Path::new(path))?;
        let status = transact(&engine, &request)?;
        let mut times = Vec::new();
        let start = Instant::now();
        while times.is_empty() || start.elapsed() < budget {
            let begin = Instant::now();
            transact(&engine, &request)?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        println!("{name} {:.2} {status}", times[times.len() / 2].as_secs_f64() * 1e6);
    }
    Ok(())
}

fn transact(engine: &ModSecurity, request: &Request) -> Outcome<u16> {
    let mut transaction = engine.new_transaction();
    transaction.set_client_addr("203.0.113.7", 40_000);
    transaction.process_uri(&request.target, &request.method, &request.protocol)?;
    for (name, value) in &request.headers {
        transaction.add_request_header(name, value)?;
    }
    transaction.process_request_headers()?;
    if !transaction.has_intervention() {
        transaction.append_request_body(&request.body)?;
        transaction.process_request_body()?;
    }
    if !transaction.has_intervention() {
        transaction.add_response_header("Content-Type", "text/html; charset=utf-8")?;
        transaction.process_response_headers()?;
        transaction.append_response_body(PAGE)?;
        transaction.process_response_body()?;
    }
    transaction.process_logging()?;
    Ok(transaction.intervention().map_or(200, |intervention| intervention.status))
}

/// A request as it goes over the wire.
fn read(path: &Path) -> Outcome<Request> {
    let bytes = std::fs::read(path)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no header block")?;
    let head = String::from_utf8(bytes[..end].to_vec())?;
    let mut lines = head.split("\r\n");
    let parts: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, protocol] = parts.as_slice() else { return Err("no request line".into()) };
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.trim().into()));
    Ok(Request {
        method: (*method).into(),
        target: (*target).into(),
        protocol: (*protocol).into(),
        headers: headers.collect(),
        body: bytes[end + 4..].to_vec(),
    })
}
