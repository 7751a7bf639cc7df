//! Explains what a policy makes of a request.
//!
//! The request runs twice: as the gateway runs it, which gives the verdict, and recorded, which gives
//! the reasons. Both must come to the same.

mod detail;
pub mod json;
pub mod people;
pub mod shown;
mod summary;
#[cfg(test)]
mod tests;

use crate::requests::{Request, Response};
use parapet_engine::trace::{Disruption, Outcome, RuleTrace, Trace, TraceLimits};
use parapet_engine::{BodyStatus, Context, EngineMode, Intervention, Limit, Policy, Scores, Transaction};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Port of the server that requests are taken to have reached.
const SERVER_PORT: u16 = 80;
/// Port of the client they are taken to have come from.
const CLIENT_PORT: u16 = 40_000;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stopped it.
    Passed,
    /// A rule stopped it.
    Stopped(Intervention),
    /// Its body is over the limit of the policy, which refuses such bodies.
    BodyTooLarge,
    /// The gateway itself refuses it, whatever the rules say.
    Malformed {
        /// Status of the answer.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

/// One request, its verdict, and how that came about.
pub struct Explanation {
    /// The request.
    pub request: Request,
    /// The response that was inspected, if any.
    pub response: Option<Response>,
    /// What became of it.
    pub verdict: Verdict,
    /// Mode in which the engine ended.
    pub mode: EngineMode,
    /// Anomaly scores.
    pub scores: Scores,
    /// Limits that left something out of inspection.
    pub limits: Vec<Limit>,
    /// What happened, rule by rule.
    pub trace: Trace,
    /// Whether the recorded transaction came to the same as the ordinary one.
    pub is_consistent: bool,
}

impl Explanation {
    /// Whether the request would be refused.
    pub fn is_blocked(&self) -> bool {
        self.verdict != Verdict::Passed
    }

    /// The rule that stopped the transaction, or would have if the engine blocked.
    pub fn deciding_rule(&self) -> Option<(&RuleTrace, &Disruption)> {
        self.trace.rules.iter().find_map(|rule| match &rule.outcome {
            Outcome::Matched { disruption: Some(disruption) } if disruption.action != "allow" && rule.phase != 5 => {
                Some((rule, disruption))
            }
            _ => None,
        })
    }
}

/// What the gateway has against a head, if anything: status and reason.
pub type Refusal<'a> = &'a dyn Fn(&[u8]) -> Option<(u16, String)>;

/// Runs a request, and its response if there is one. `refusal` says what the gateway itself has against
/// the head of an HTTP/1 request.
pub fn explain(
    policy: &Arc<Policy>,
    request: Request,
    client: IpAddr,
    limits: TraceLimits,
    refusal: Refusal<'_>,
) -> Explanation {
    let context = context(client);
    let begin = || Transaction::new(Arc::clone(policy), context.clone());
    let mut ordinary = begin();
    let (verdict, _) = run(&mut ordinary, &request);
    let mut traced = begin().with_trace(limits);
    let (traced_verdict, response_was_inspected) = run(&mut traced, &request);
    let is_consistent = traced_verdict == verdict
        && traced.scores() == ordinary.scores()
        && traced.matches().map(|found| found.rule_id).eq(ordinary.matches().map(|found| found.rule_id));
    // The gateway's own refusal wins over the rules' verdict. What it speaks is HTTP/1.
    let refused = if request.protocol.starts_with(b"HTTP/1.") { refusal(&request.head()) } else { None };
    Explanation {
        verdict: refused.map_or(verdict, |(status, reason)| Verdict::Malformed { status, reason }),
        mode: ordinary.engine_mode(),
        scores: ordinary.scores(),
        limits: ordinary.limits_met().collect(),
        trace: traced.take_trace().unwrap_or_default(),
        is_consistent,
        response: request.response.clone().filter(|_| response_was_inspected),
        request,
    }
}

fn context(client: IpAddr) -> Context {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Context {
        unique_id: "explain".to_owned(),
        now_micros: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        client: SocketAddr::new(client, CLIENT_PORT),
        server: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), SERVER_PORT),
        server_name: "localhost".to_owned(),
    }
}

/// Runs all phases that there is something for; also says whether a response was inspected.
fn run(transaction: &mut Transaction, request: &Request) -> (Verdict, bool) {
    let mut response_was_inspected = false;
    let verdict = phases(transaction, request, &mut response_was_inspected);
    transaction.process_logging();
    (verdict, response_was_inspected)
}

fn phases(transaction: &mut Transaction, request: &Request, response_was_inspected: &mut bool) -> Verdict {
    transaction.request_line(&request.method, &request.target, &request.protocol);
    for (name, value) in &request.headers {
        transaction.request_header(name, value);
    }
    if let Some(intervention) = transaction.process_request_headers() {
        return Verdict::Stopped(intervention);
    }
    if transaction.wants_request_body() && transaction.append_request_body(&request.body) == BodyStatus::Rejected {
        return Verdict::BodyTooLarge;
    }
    if let Some(intervention) = transaction.process_request_body() {
        return Verdict::Stopped(intervention);
    }
    let Some(response) = &request.response else { return Verdict::Passed };
    *response_was_inspected = true;
    transaction.response_line(response.status, &response.protocol);
    for (name, value) in &response.headers {
        transaction.response_header(name, value);
    }
    if let Some(intervention) = transaction.process_response_headers() {
        return Verdict::Stopped(intervention);
    }
    if transaction.wants_response_body() {
        // A response over the limit is inspected as far as it goes.
        let _ = transaction.append_response_body(&response.body);
    }
    transaction.process_response_body().map_or(Verdict::Passed, Verdict::Stopped)
}
