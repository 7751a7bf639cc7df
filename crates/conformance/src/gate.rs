//! The blocking gate: the default configuration, paranoia 1, `SecRuleEngine On`. Ordinary requests
//! pass and attacks get 403. A regression run under DetectionOnly cannot show that.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::crs::RunError;
use crate::crs::albedo::Backend;
use crate::crs::exchange::{InProcess, Outcome, Server};
use crate::live::{self, Live, Start};
use crate::parallel;
use crate::setup::{Mode, rule_set};

/// Requests that must pass. Our own, modelled on what browsers, apps and tools send.
pub(crate) const ORDINARY: &str = include_str!("../gate/ordinary.http");
/// Requests that must be blocked.
pub(crate) const ATTACKS: &str = include_str!("../gate/attacks.http");

/// The result of the gate.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GateReport {
    /// Ordinary requests that were sent.
    pub ordinary: usize,
    /// Attacks that were sent.
    pub attacks: usize,
    /// Ordinary requests that were blocked, each with the status and the rules.
    pub blocked_wrongly: Vec<String>,
    /// Attacks that were not answered with 403, each with the status.
    pub passed_wrongly: Vec<String>,
}

impl GateReport {
    /// Whether all ordinary requests passed and all attacks were blocked.
    pub fn is_success(&self) -> bool {
        self.blocked_wrongly.is_empty() && self.passed_wrongly.is_empty()
    }
}

impl fmt::Display for GateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.blocked_wrongly {
            writeln!(f, "BLOCKED {line}")?;
        }
        for line in &self.passed_wrongly {
            writeln!(f, "PASSED {line}")?;
        }
        write!(
            f,
            "ordinary requests passed {} of {}, attacks blocked {} of {}",
            self.ordinary - self.blocked_wrongly.len(),
            self.ordinary,
            self.attacks - self.passed_wrongly.len(),
            self.attacks
        )
    }
}

/// Runs the gate on the rule set at `rules`, in this process.
///
/// # Errors
/// When the rules cannot be read, parsed or compiled.
pub fn run(rules: &Path) -> Result<GateReport, RunError> {
    let policy = rule_set(rules, Mode::Blocking(1))?.policy;
    Ok(judge(&InProcess { policy, backend: Backend::Albedo }, parallel::cores()))
}

/// Runs it through a gateway that `start` starts, over real sockets.
///
/// # Errors
/// As [`run`], or when the gateway does not start.
pub fn run_over_wire(rules: &Path, start: Start<'_>) -> Result<GateReport, RunError> {
    let policy = rule_set(rules, Mode::BlockingOverWire(1))?.policy;
    let server = Live::start(policy, Backend::Albedo, start).map_err(RunError::Gateway)?;
    Ok(judge(&server, live::CONNECTIONS))
}

fn judge(server: &impl Server, threads: usize) -> GateReport {
    let wrong = |corpus: &str, expected: u16| {
        let requests = requests(corpus);
        let outcomes = parallel::map(&requests, threads, &|_, _| {}, |(_, bytes)| server.send(bytes));
        let wrong = requests.iter().zip(outcomes).filter(|(_, outcome)| outcome.status != Some(expected));
        let shown = wrong.map(|((name, _), outcome)| format!("{name}: {}", shown(&outcome))).collect();
        (requests.len(), shown)
    };
    let (ordinary, blocked_wrongly) = wrong(ORDINARY, 200);
    let (attacks, passed_wrongly) = wrong(ATTACKS, 403);
    GateReport { ordinary, attacks, blocked_wrongly, passed_wrongly }
}

fn shown(outcome: &Outcome) -> String {
    let status = outcome.status.map_or("no response".to_owned(), |status| format!("status {status}"));
    format!("{status}, rules {:?}{}", outcome.ids, outcome.note.as_deref().unwrap_or_default())
}

/// Splits a corpus: a line `### name` begins a request. Lines end in LF in the file and in CR LF on
/// the wire; `Content-Length` is added where there is a body.
pub(crate) fn requests(corpus: &str) -> Vec<(&str, Vec<u8>)> {
    let mut found = Vec::new();
    for section in corpus.split("### ").skip(1) {
        let (name, request) = section.split_once('\n').unwrap_or((section, ""));
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let body = body.trim_end_matches('\n').replace('\n', "\r\n");
        let mut bytes = head.trim_end().replace('\n', "\r\n").into_bytes();
        if !body.is_empty() {
            bytes.extend_from_slice(format!("\r\nContent-Length: {}", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(body.as_bytes());
        found.push((name, bytes));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::head;

    #[test]
    fn every_request_of_the_corpora_reaches_the_engine() {
        for corpus in [ORDINARY, ATTACKS] {
            let requests = requests(corpus);
            assert!(requests.len() >= 20);
            for (name, bytes) in requests {
                assert!(head::parse(&bytes).is_ok(), "{name}");
            }
        }
    }
}
