//! The boundary to the rule engine: feeds it, takes its verdicts, and keeps its defects away from the
//! connection.
//!
//! Every call into the engine goes through [`Inspection::guarded`]. If the engine panics, the request is
//! treated by the fail policy, the panic is counted, and the engine sees nothing more of this request.

use crate::config::{FailDirection, FailPolicy};
use crate::fault::Fault;
use crate::head::Head;
use crate::text::{self, Redactor};
use parapet_engine::persistence::CollectionStore;
use parapet_engine::{
    BodyStatus, Context, EngineMode, Intervention, InterventionKind, Limit, Match, Policy, ScriptMessage, Secrets,
    Transaction,
};
use parapet_event::{Finding, ScoreEntry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest matched text or operator in a finding, in bytes.
const SHOWN_MAX: usize = 512;
/// Longest message or data in a finding, in bytes.
const MESSAGE_MAX: usize = 2048;
/// Status for a request over the engine's limits.
const REQUEST_OVER: u16 = 413;
/// The same for a response.
const RESPONSE_OVER: u16 = 500;

/// What the rules want.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Pass,
    /// Refuse.
    Refuse(Refusal),
    /// The engine failed and the fail policy refuses the request.
    Failed(Fault),
}

/// How a rule refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Status to send.
    pub(crate) status: u16,
    /// In which way.
    pub(crate) kind: RefusalKind,
    /// The rule.
    pub(crate) rule_id: u32,
}

/// Ways to refuse.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// The block page.
    Page,
    /// Somewhere else.
    Redirect(Vec<u8>),
    /// The connection is closed without an answer.
    Drop,
}

/// What became of a piece of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It will be inspected.
    All,
    /// The limit is reached; what follows is not inspected.
    Enough,
    /// The limit is reached, and the policy refuses such bodies.
    TooMuch,
}

/// What only the logs say about a finding.
#[derive(Debug, Default)]
pub(crate) struct LogDetails {
    /// Whether it belongs in the error log.
    pub(crate) log: bool,
    /// Whether it belongs in the audit log.
    pub(crate) audit: bool,
    /// `rev` of the rule.
    pub(crate) revision: String,
    /// `ver` of the rule.
    pub(crate) version: String,
    /// `maturity` of the rule.
    pub(crate) maturity: u8,
    /// `accuracy` of the rule.
    pub(crate) accuracy: u8,
}

/// What the rules found, in the vocabulary of events.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Rules that matched, redacted, in order.
    pub(crate) list: Vec<Finding>,
    /// For each of them, what only the logs say.
    pub(crate) details: Vec<LogDetails>,
    /// Inbound anomaly score.
    pub(crate) inbound_score: u32,
    /// Outbound anomaly score.
    pub(crate) outbound_score: u32,
    /// Inbound threshold.
    pub(crate) inbound_threshold: u32,
    /// Blocking paranoia level.
    pub(crate) paranoia_level: u8,
    /// Whether the policy wants the transaction in the audit log.
    pub(crate) audit: bool,
    /// The parts of the audit log that the policy wants, by their letters.
    pub(crate) audit_parts: Vec<u8>,
    /// What rules have declared secret.
    pub(crate) secrets: Secrets,
    /// Limits of the engine that left something out of inspection.
    pub(crate) limits_met: Vec<Limit>,
    /// What scripts of the rules said, and why they failed.
    pub(crate) script_messages: Vec<ScriptMessage>,
}

/// One request as the engine sees it.
pub(crate) struct Inspection {
    transaction: Option<Transaction>,
    fail: FailPolicy,
    /// Whether the policy blocks at all; one that only detects never refuses, whatever fails.
    blocking: bool,
    /// Time spent in the engine.
    pub(crate) time: Duration,
    /// Whether the engine panicked.
    pub(crate) panicked: bool,
    finished: bool,
}

impl Inspection {
    /// Starts a transaction in a mode, which may be another than the policy's own.
    pub(crate) fn new(policy: Arc<Policy>, context: Context, mode: EngineMode, fail: FailPolicy) -> Self {
        let blocking = mode == EngineMode::On;
        let mut inspection =
            Inspection { transaction: None, fail, blocking, time: Duration::ZERO, panicked: false, finished: false };
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| Transaction::new(policy, context))) {
            Ok(mut transaction) => {
                transaction.set_engine_mode(mode);
                inspection.transaction = Some(transaction);
            }
            Err(_) => inspection.panicked = true,
        }
        inspection.time += started.elapsed();
        inspection
    }

    /// Keeps the collections of rules in a store. To be called before anything else.
    pub(crate) fn keep_collections(&mut self, store: Arc<dyn CollectionStore>) {
        self.guarded(|transaction| transaction.set_collections(store));
    }

    /// Runs one call into the engine; `None` if it failed now or before.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut Transaction) -> T) -> Option<T> {
        let transaction = self.transaction.as_mut()?;
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| call(transaction)));
        self.time += started.elapsed();
        match outcome {
            Ok(value) => Some(value),
            Err(_) => {
                // The panic hook has already reported where.
                self.transaction = None;
                self.panicked = true;
                None
            }
        }
    }

    /// Runs a phase. `over` is the status of an answer when the engine's limits leave something out.
    fn verdict(&mut self, over: u16, call: impl FnOnce(&mut Transaction) -> Option<Intervention>) -> Verdict {
        match self.guarded(call) {
            Some(None) if self.must_refuse_incomplete() => {
                Verdict::Failed(Fault::new(over, "the rule engine met a limit and could not inspect everything"))
            }
            Some(None) => Verdict::Pass,
            Some(Some(intervention)) => Verdict::Refuse(refusal(intervention)),
            None if !self.blocking || self.fail.engine_error == FailDirection::Open => Verdict::Pass,
            None => Verdict::Failed(Fault::new(500, "the rule engine failed on this request")),
        }
    }

    /// Whether a limit left something out of inspection that the fail policy wants inspected.
    fn must_refuse_incomplete(&mut self) -> bool {
        let closed = self.fail.engine_limit == FailDirection::Closed;
        let incomplete =
            |transaction: &mut Transaction| transaction.engine_mode() == EngineMode::On && transaction.is_incomplete();
        closed && self.guarded(incomplete).unwrap_or(false)
    }

    /// Hands over the head of the request.
    pub(crate) fn request_head(&mut self, head: &Head) {
        self.guarded(|transaction| {
            transaction.request_line(head.method(), head.target(), head.protocol());
            for (name, value) in head.headers() {
                transaction.request_header(name, value);
            }
        });
    }

    /// Phase 1.
    pub(crate) fn head_complete(&mut self) -> Verdict {
        self.verdict(REQUEST_OVER, Transaction::process_request_headers)
    }

    /// Whether the request body is to be inspected.
    pub(crate) fn wants_request_body(&mut self) -> bool {
        self.guarded(|transaction| transaction.wants_request_body()).unwrap_or(false)
    }

    /// Hands over a piece of the request body.
    pub(crate) fn request_body(&mut self, piece: &[u8]) -> Taken {
        taken(self.guarded(|transaction| transaction.append_request_body(piece)))
    }

    /// Phase 2.
    pub(crate) fn request_complete(&mut self) -> Verdict {
        self.verdict(REQUEST_OVER, Transaction::process_request_body)
    }

    /// Phase 3.
    pub(crate) fn response_head<'h>(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Verdict {
        self.verdict(RESPONSE_OVER, |transaction| {
            transaction.response_line(status, protocol);
            for (name, value) in headers {
                transaction.response_header(name, value);
            }
            transaction.process_response_headers()
        })
    }

    /// Whether the response body is to be inspected.
    pub(crate) fn wants_response_body(&mut self) -> bool {
        self.guarded(|transaction| transaction.wants_response_body()).unwrap_or(false)
    }

    /// Hands over a piece of the response body.
    pub(crate) fn response_body(&mut self, piece: &[u8]) -> Taken {
        taken(self.guarded(|transaction| transaction.append_response_body(piece)))
    }

    /// Phase 4.
    pub(crate) fn response_complete(&mut self) -> Verdict {
        self.verdict(RESPONSE_OVER, Transaction::process_response_body)
    }

    /// What rules add before and after a response body that was inspected whole.
    pub(crate) fn injected(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.guarded(|transaction| {
            let (before, after) = transaction.injected();
            (before.to_vec(), after.to_vec())
        })
        .filter(|(before, after)| !before.is_empty() || !after.is_empty())
    }

    /// Phase 5, and everything the rules found. `max` limits the number of findings.
    pub(crate) fn finish(&mut self, elapsed: Duration, redactor: &Redactor, max: usize) -> Findings {
        if !std::mem::replace(&mut self.finished, true) {
            self.guarded(|transaction| {
                transaction.set_elapsed(elapsed);
                transaction.process_logging();
            });
        }
        self.guarded(|transaction| {
            let scores = transaction.scores();
            let count = |score: i64| u32::try_from(score.max(0)).unwrap_or(u32::MAX);
            let shown = transaction.matches().filter(|matched| matched.log || matched.auditlog).take(max);
            let (list, details) = shown.map(|matched| (finding(&matched, redactor), log_details(&matched))).unzip();
            let audit = transaction.audit();
            Findings {
                list,
                details,
                inbound_score: count(scores.inbound),
                outbound_score: count(scores.outbound),
                inbound_threshold: count(scores.inbound_threshold),
                paranoia_level: u8::try_from(scores.paranoia_level).unwrap_or_default(),
                audit: audit.log,
                audit_parts: audit.parts,
                secrets: transaction.secrets().cloned().unwrap_or_default(),
                limits_met: transaction.limits_met().collect(),
                script_messages: transaction.script_messages().to_vec(),
            }
        })
        .unwrap_or_default()
    }
}

fn refusal(intervention: Intervention) -> Refusal {
    let kind = match intervention.kind {
        InterventionKind::Drop => RefusalKind::Drop,
        InterventionKind::Redirect => RefusalKind::Redirect(intervention.url.unwrap_or_default()),
        _ => RefusalKind::Page,
    };
    let status = match kind {
        RefusalKind::Redirect(_) if (300..400).contains(&intervention.status) => intervention.status,
        RefusalKind::Redirect(_) => 302,
        _ if (400..600).contains(&intervention.status) => intervention.status,
        _ => 403,
    };
    Refusal { status, kind, rule_id: intervention.rule_id }
}

fn taken(status: Option<BodyStatus>) -> Taken {
    match status {
        Some(BodyStatus::Accepted) => Taken::All,
        // A failed engine inspects nothing more; the next phase applies the fail policy.
        Some(BodyStatus::Partial) | None => Taken::Enough,
        Some(BodyStatus::Rejected) => Taken::TooMuch,
    }
}

fn log_details(matched: &Match<'_>) -> LogDetails {
    LogDetails {
        log: matched.log,
        audit: matched.auditlog,
        revision: text::from_bytes(matched.revision),
        version: text::from_bytes(matched.version),
        maturity: matched.maturity.unwrap_or_default(),
        accuracy: matched.accuracy.unwrap_or_default(),
    }
}

fn finding(matched: &Match<'_>, redactor: &Redactor) -> Finding {
    let variable = text::from_bytes_cut(matched.variable, SHOWN_MAX);
    let secret = redactor.is_secret_variable(&variable);
    let show = |bytes: &[u8], max| {
        if secret { text::REDACTED.to_owned() } else { redactor.text(text::from_bytes_cut(bytes, max)) }
    };
    Finding {
        rule_id: matched.rule_id,
        phase: matched.phase,
        message: redactor.text(text::from_bytes_cut(matched.message, MESSAGE_MAX)),
        data: show(matched.data, MESSAGE_MAX),
        tags: matched.tags.iter().map(|tag| text::from_bytes(tag).into()).collect(),
        rule_severity: matched.severity,
        matched: show(matched.value, SHOWN_MAX),
        variable,
        operator: text::from_bytes_cut(matched.operator, SHOWN_MAX),
        scores: matched
            .scores
            .iter()
            .map(|(score, points)| ScoreEntry { score: text::from_bytes(score), points: *points })
            .collect(),
        // The name alone: where the rules lie on the disk is nobody's business.
        file: matched.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        line: matched.line,
    }
}

/// Whether the rules read response bodies, which they can only while these are not compressed.
pub(crate) fn reads_responses(policy: &Policy) -> bool {
    policy.settings().response_body_access
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_engine::seclang::{NoFiles, parse_str};

    fn failing(mode: EngineMode, direction: FailDirection) -> (Verdict, Inspection) {
        let configuration = parse_str("test.conf", b"", &NoFiles).unwrap();
        let policy = Arc::new(Policy::compile(&configuration, &NoFiles).unwrap());
        let fail = FailPolicy { engine_error: direction, ..FailPolicy::default() };
        let mut inspection = Inspection::new(policy, Context::default(), mode, fail);
        let verdict = inspection.verdict(REQUEST_OVER, |_| panic!("a defect"));
        (verdict, inspection)
    }

    #[test]
    fn a_panic_in_the_engine_follows_the_fail_policy() {
        let (verdict, mut inspection) = failing(EngineMode::On, FailDirection::Closed);
        assert!(matches!(verdict, Verdict::Failed(fault) if fault.status == 500));
        assert!(inspection.panicked);
        assert!(!inspection.wants_request_body());
        assert!(matches!(inspection.response_complete(), Verdict::Failed(_)), "it stays failed");

        let (verdict, mut inspection) = failing(EngineMode::On, FailDirection::Open);
        assert_eq!(verdict, Verdict::Pass);
        assert_eq!(inspection.request_complete(), Verdict::Pass);
    }

    #[test]
    fn a_policy_that_only_detects_never_refuses_when_the_engine_fails() {
        assert_eq!(failing(EngineMode::DetectionOnly, FailDirection::Closed).0, Verdict::Pass);
    }
}
