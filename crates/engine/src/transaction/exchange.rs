//! What a caller does with a transaction, call by call.

use std::sync::Arc;
use std::time::Duration;

use parapet_seclang::ast::{EngineMode, LimitAction, Variable};

use super::kept::Keeper;
use super::{Context, Secrets, State};
use crate::limits::Limit;
use crate::persistence::CollectionStore;
use crate::policy::Policy;
use crate::trace::{Trace, TraceLimits};
use crate::verdict::{AuditDecision, BodyStatus, Intervention, Match, Scores, ScriptMessage};

/// One request and its response.
///
/// A transaction owns copies of everything it is given, and its buffers return to the policy when it is
/// dropped. Calls belong in the order of the story: request line and headers,
/// [`process_request_headers`](Self::process_request_headers), body,
/// [`process_request_body`](Self::process_request_body), then the same of the response, and
/// [`process_logging`](Self::process_logging) at the end. Calls in another order do no harm: each phase
/// runs at most once and none after a later one; what comes after the phase that would inspect it is
/// not inspected. After an intervention only `process_logging` does anything.
pub struct Transaction {
    policy: Arc<Policy>,
    // Present until it is given back on drop.
    state: Option<Box<State>>,
}

impl Transaction {
    /// Begins a transaction.
    pub fn new(policy: Arc<Policy>, context: Context) -> Transaction {
        let mut state = policy.take_state();
        state.reset(&policy);
        state.begin(&policy, &context);
        Transaction { policy, state: Some(state) }
    }

    fn parts(&mut self) -> Option<(&Policy, &mut State)> {
        Some((&self.policy, self.state.as_deref_mut()?))
    }

    fn state(&self) -> Option<&State> {
        self.state.as_deref()
    }

    /// The engine's mode, as `ctl:ruleEngine` may have changed it.
    pub fn engine_mode(&self) -> EngineMode {
        self.state().map(|state| state.control.engine).unwrap_or_default()
    }

    /// Runs this transaction in another mode than the policy says. To be called before anything else.
    pub fn set_engine_mode(&mut self, mode: EngineMode) {
        if let Some((_, state)) = self.parts() {
            state.control.engine = mode;
        }
    }

    /// Keeps the collections that outlive a transaction (`initcol`) in a store. To be called before
    /// anything else; without a store they end with the transaction.
    pub fn set_collections(&mut self, store: Arc<dyn CollectionStore>) {
        if let Some((_, state)) = self.parts() {
            state.keeper = Keeper::new(store);
        }
    }

    /// The same transaction, recorded rule by rule. To be called before anything else: what happened
    /// before is not in the trace.
    ///
    /// A traced transaction runs every rule on every value, which takes many times as long, and has no
    /// limit of steps. Verdict, findings and scores are those of a transaction that is not traced, unless
    /// that one meets [`Limit::Steps`].
    #[must_use]
    pub fn with_trace(mut self, limits: TraceLimits) -> Transaction {
        if let Some((_, state)) = self.parts() {
            state.record(limits);
        }
        self
    }

    /// Ends the recording; `None` if there is none. What rules have declared secret is masked.
    pub fn take_trace(&mut self) -> Option<Trace> {
        let (policy, state) = self.parts()?;
        let mut trace = state.take_trace(policy)?;
        state.secrets.mask_trace(&mut trace);
        Some(trace)
    }

    /// How long the transaction has taken so far, for `DURATION`.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        if let Some((_, state)) = self.parts() {
            state.control.elapsed = elapsed;
        }
    }

    /// The request line, as it was sent. `protocol` is such as `HTTP/1.1`.
    pub fn request_line(&mut self, method: &[u8], uri: &[u8], protocol: &[u8]) {
        if let Some((policy, state)) = self.parts() {
            state.request_line(policy, method, uri, protocol);
        }
    }

    /// A request header, in the order sent.
    pub fn request_header(&mut self, name: &[u8], value: &[u8]) {
        if let Some((policy, state)) = self.parts() {
            state.request_header(policy, name, value);
        }
    }

    /// Runs phase 1.
    pub fn process_request_headers(&mut self) -> Option<Intervention> {
        let (policy, state) = self.parts()?;
        state.begins(1).then(|| state.run_phase(policy, 1))?
    }

    /// Whether the request body is to be passed in.
    pub fn wants_request_body(&self) -> bool {
        self.state().is_some_and(|state| state.control.engine != EngineMode::Off && state.control.request_body_access)
    }

    /// A piece of the request body.
    pub fn append_request_body(&mut self, chunk: &[u8]) -> BodyStatus {
        let Some((policy, state)) = self.parts() else { return BodyStatus::Partial };
        state.store.budget.receive(chunk.len());
        let limit = state.request_body_limit(policy);
        let action = state.limit_action(policy.settings().request_body_limit_action);
        let status = append(&mut state.request_body, chunk, limit, action);
        if status != BodyStatus::Accepted {
            state.set(Variable::InboundDataError, b"1");
        }
        status
    }

    /// Parses the request body and runs phase 2. To be called for every request.
    pub fn process_request_body(&mut self) -> Option<Intervention> {
        let (policy, state) = self.parts()?;
        if !state.begins(2) || state.control.engine == EngineMode::Off {
            return None;
        }
        state.read_request_body(policy);
        state.run_phase(policy, 2)
    }

    /// The status line of the response. `protocol` is such as `HTTP/1.1`.
    pub fn response_line(&mut self, status: u16, protocol: &[u8]) {
        if let Some((_, state)) = self.parts() {
            state.response_line(status, protocol);
        }
    }

    /// A response header, in the order sent.
    pub fn response_header(&mut self, name: &[u8], value: &[u8]) {
        if let Some((policy, state)) = self.parts() {
            state.response_header(policy, name, value);
        }
    }

    /// Runs phase 3.
    pub fn process_response_headers(&mut self) -> Option<Intervention> {
        let (policy, state) = self.parts()?;
        state.begins(3).then(|| state.run_phase(policy, 3))?
    }

    /// Whether the response body is to be passed in: access is on and its type is listed.
    pub fn wants_response_body(&self) -> bool {
        self.state().is_some_and(|state| state.wants_response_body(&self.policy))
    }

    /// A piece of the response body.
    pub fn append_response_body(&mut self, chunk: &[u8]) -> BodyStatus {
        let Some((policy, state)) = self.parts() else { return BodyStatus::Partial };
        state.store.budget.receive(chunk.len());
        let limit = state.control.response_body_limit;
        let action = state.limit_action(policy.settings().response_body_limit_action);
        let status = append(&mut state.response_body, chunk, limit, action);
        if status != BodyStatus::Accepted {
            state.set(Variable::OutboundDataError, b"1");
        }
        status
    }

    /// Runs phase 4.
    pub fn process_response_body(&mut self) -> Option<Intervention> {
        let (policy, state) = self.parts()?;
        if !state.begins(4) || state.control.engine == EngineMode::Off {
            return None;
        }
        state.read_response_body(policy);
        state.run_phase(policy, 4)
    }

    /// Runs phase 5. To be called once, at the end, also after an intervention.
    pub fn process_logging(&mut self) {
        if let Some((policy, state)) = self.parts()
            && state.begins(5)
        {
            state.run_phase(policy, 5);
        }
    }

    /// Rules that matched and are to be logged, in order.
    pub fn matches(&self) -> impl Iterator<Item = Match<'_>> {
        let count = self.state().map_or(0, |state| state.reports.len());
        (0..count).filter_map(|index| self.state()?.finding(&self.policy, index))
    }

    /// What rules have declared secret with `sanitise…`. The findings are masked already; what else the
    /// caller logs of the request and the response is to be masked with it.
    pub fn secrets(&self) -> Option<&Secrets> {
        self.state().map(|state| &state.secrets).filter(|secrets| !secrets.is_empty())
    }

    /// What rules add to the response body with `prepend` and `append`: before it, and after it. To be
    /// asked for after [`Transaction::process_response_body`]; both are empty unless
    /// `SecContentInjection` is on.
    pub fn injected(&self) -> (&[u8], &[u8]) {
        self.state().map_or((&[], &[]), |state| (&state.injected[0], &state.injected[1]))
    }

    /// Anomaly scores, as CRS names them.
    pub fn scores(&self) -> Scores {
        let number = |names: &[&[u8]]| {
            let found = names.iter().find_map(|name| self.tx(name));
            found.map_or(0, crate::operators::numeric::parse)
        };
        Scores {
            inbound: number(&[b"blocking_inbound_anomaly_score", b"inbound_anomaly_score", b"anomaly_score"]),
            outbound: number(&[b"blocking_outbound_anomaly_score", b"outbound_anomaly_score"]),
            inbound_threshold: number(&[b"inbound_anomaly_score_threshold"]),
            outbound_threshold: number(&[b"outbound_anomaly_score_threshold"]),
            paranoia_level: number(&[b"blocking_paranoia_level", b"paranoia_level"]),
        }
    }

    /// The value of a name in `TX`.
    pub fn tx(&self, key: &[u8]) -> Option<&[u8]> {
        let state = self.state()?;
        let value = match self.policy.parts.names.find(key) {
            Some(slot) => state.collections.slot(slot),
            None => state.collections.tx.get(key, &state.store),
        };
        value.map(|value| state.store.get(value))
    }

    /// Whether and how to write the audit log.
    pub fn audit(&self) -> AuditDecision {
        match self.state() {
            Some(state) => state.audit(&self.policy),
            None => AuditDecision { log: false, relevant: false, parts: Vec::new(), mode: EngineMode::Off },
        }
    }

    /// What scripts of the rules said, and why they failed, in order.
    pub fn script_messages(&self) -> &[ScriptMessage] {
        self.state().map(|state| state.script_messages.as_slice()).unwrap_or_default()
    }

    /// Bytes of text and tables the transaction holds, bodies not counted.
    pub fn working_bytes(&self) -> usize {
        self.state().map_or(0, |state| state.store.used())
    }

    /// Steps the transaction has taken, as [`Limits`](crate::Limits) count them.
    pub fn steps(&self) -> u64 {
        self.state().map_or(0, |state| state.store.budget.spent())
    }

    /// The limits that left something out of inspection.
    pub fn limits_met(&self) -> impl Iterator<Item = Limit> {
        Limit::ALL.iter().copied().filter(|limit| self.state().is_some_and(|state| state.store.budget.has_met(*limit)))
    }

    /// Whether a limit left something out of inspection.
    pub fn is_incomplete(&self) -> bool {
        self.limits_met().next().is_some()
    }
}

fn append(body: &mut Vec<u8>, chunk: &[u8], limit: u64, action: LimitAction) -> BodyStatus {
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(body.len());
    if chunk.len() <= room {
        body.extend_from_slice(chunk);
        return BodyStatus::Accepted;
    }
    match action {
        LimitAction::Reject => BodyStatus::Rejected,
        LimitAction::ProcessPartial => {
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
            BodyStatus::Partial
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            self.policy.keep_state(state);
        }
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transaction").field("policy", &self.policy).finish_non_exhaustive()
    }
}
