//! One request and its response through the engine.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parapet_engine::{BodyStatus, Context, Intervention, Policy, Scores, Transaction};

use super::albedo::{self, Backend};
use super::head::{self, Refusal, Request};
use super::log;

/// The time at which every request comes, so that every run does the same: 2026-11-22 00:00 UTC.
const NOW_MICROS: u64 = 1_795_305_600_000_000;

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Status of the response; `None` if the connection ends without one.
    pub(crate) status: Option<u16>,
    /// Rules in the error log, in order.
    pub(crate) ids: Vec<u32>,
    /// Rules in the audit log, in order; known in process only.
    pub(crate) audited: Vec<u32>,
    /// The error log.
    pub(crate) log: Vec<String>,
    pub(crate) response_body: Vec<u8>,
    /// Why the request did not reach the engine.
    pub(crate) note: Option<Cow<'static, str>>,
    /// Anomaly scores at the end.
    pub(crate) scores: Scores,
}

/// What takes the requests of a suite: the engine in this process, or a gateway behind a socket.
pub(crate) trait Server: Sync {
    /// Sends the bytes of a request on a connection of their own.
    fn send(&self, request: &[u8]) -> Outcome;
}

/// The engine in this process, behind a strict HTTP/1 parser, in front of a backend.
pub(crate) struct InProcess {
    pub(crate) policy: Arc<Policy>,
    pub(crate) backend: Backend,
}

impl Server for InProcess {
    fn send(&self, request: &[u8]) -> Outcome {
        match head::parse(request) {
            Ok(request) => run(&self.policy, &request, self.backend),
            Err(Refusal::BadRequest(note)) => {
                Outcome { status: Some(400), note: Some(note.into()), ..Outcome::default() }
            }
            Err(Refusal::NoResponse) => Outcome { note: Some("not an HTTP/1 request".into()), ..Outcome::default() },
        }
    }
}

/// Runs a parsed request through all phases.
fn run(policy: &Arc<Policy>, request: &Request<'_>, backend: Backend) -> Outcome {
    let address = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let context = Context {
        unique_id: "conformance".into(),
        now_micros: NOW_MICROS,
        client: address(40_000),
        server: address(80),
        server_name: "localhost".into(),
    };
    let mut transaction = Transaction::new(Arc::clone(policy), context);
    let mut outcome = Outcome::default();
    let intervention = phases(&mut transaction, request, backend, &mut outcome);
    if let Some(intervention) = intervention {
        outcome.status = Some(intervention.status);
    }
    transaction.process_logging();
    for found in transaction.matches() {
        if found.log {
            outcome.ids.push(found.rule_id);
            outcome.log.push(log::line(&found));
        }
        if found.auditlog {
            outcome.audited.push(found.rule_id);
        }
    }
    outcome.scores = transaction.scores();
    outcome
}

fn phases(
    transaction: &mut Transaction,
    request: &Request<'_>,
    backend: Backend,
    outcome: &mut Outcome,
) -> Option<Intervention> {
    transaction.request_line(request.method, request.target, request.protocol);
    for (name, value) in &request.headers {
        transaction.request_header(name, value);
    }
    if let Some(intervention) = transaction.process_request_headers() {
        return Some(intervention);
    }
    if transaction.wants_request_body()
        && matches!(transaction.append_request_body(&request.body), BodyStatus::Rejected)
    {
        outcome.status = Some(413);
        return None;
    }
    if let Some(intervention) = transaction.process_request_body() {
        return Some(intervention);
    }
    let response = albedo::respond(request, backend);
    outcome.status = Some(response.status);
    transaction.response_line(response.status, b"HTTP/1.1");
    for (name, value) in &response.headers {
        transaction.response_header(name.as_bytes(), value.as_bytes());
    }
    if let Some(intervention) = transaction.process_response_headers() {
        return Some(intervention);
    }
    if transaction.wants_response_body() {
        // A response over the limit is either cut or replaced, which is the engine's intervention.
        let _ = transaction.append_response_body(&response.body);
    }
    let intervention = transaction.process_response_body();
    outcome.response_body = response.body;
    intervention
}
