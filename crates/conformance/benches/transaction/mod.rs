//! The transactions that are measured: a request, a page as the answer, all five phases.

mod varied;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use parapet_engine::{Context, Policy, Transaction};

/// The requests: the names of their figures, and their files.
pub(crate) const REQUESTS: [(&str, &str); 4] = [
    ("get", "browser-get.http"),
    ("json_post", "json-post-2k.http"),
    ("form_64k", "form-post-64k.http"),
    ("attack", "attack-get.http"),
];

/// What the backend answers; inspected as any page.
const PAGE: &[u8] = b"<!DOCTYPE html><html lang=\"en\"><head><title>Shop</title></head><body><h1>Running shoes</h1>\
<p>Forty-two pairs in stock, from 49.95. Free delivery within three days, returns within a month.</p>\
<ul><li>Road</li><li>Trail</li><li>Track</li></ul><p>Questions? Write to us, we answer within a day.</p></body></html>";

/// A request, taken apart.
#[derive(Clone)]
pub(crate) struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    protocol: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request as it goes over the wire.
    pub(crate) fn read(path: &Path) -> Result<Request, Box<dyn std::error::Error>> {
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
}

/// What a transaction came to.
pub(crate) struct Outcome {
    /// Status of the response: the page's, or that of the intervention.
    pub(crate) status: u16,
    /// Bytes of text and tables it held at the end.
    pub(crate) working_bytes: usize,
}

/// One transaction. By its name `bench/engine` tells what it counts from loading and all else.
#[inline(never)]
pub(crate) fn transact(policy: &Arc<Policy>, request: &Request) -> Outcome {
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
    Outcome { status, working_bytes: transaction.working_bytes() }
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
