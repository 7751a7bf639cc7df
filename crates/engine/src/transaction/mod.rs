//! One request and its response on their way through the five phases of a policy.
//!
//! [`request`], [`body`] and [`response`] turn what the client and the server sent into collections;
//! [`interpreter`] runs the rules of a phase ([`plain`] the slow way), [`evaluate`] one link of a rule on
//! the values that [`subjects`] gathers, [`effects`] what it does when it matches, [`kept`] what outlives
//! the transaction, [`scripts`] what Lua does; [`report`] keeps the findings, [`recorder`] and [`traced`]
//! the trace, if there is to be one.

mod body;
mod budget;
mod candidates;
mod clock;
mod collections;
mod effects;
mod evaluate;
mod expand;
mod interpreter;
mod kept;
mod lookups;
mod plain;
mod plans;
mod recall;
mod recorder;
mod report;
mod request;
mod response;
pub(crate) mod scripts;
mod secrets;
mod secrets_trace;
pub(crate) mod store;
mod strings;
mod subjects;
mod tools;
mod traced;
mod traced_effects;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parapet_script::Sandbox;
use parapet_seclang::ast::{
    AllowScope, AuditEngine, BodyProcessor, EngineMode, LimitAction, ParseXmlIntoArgs, Variable,
};

use crate::limits::Limit;
use crate::operators::Captures;
use crate::persistence::CollectionStore;
use crate::policy::Policy;
use crate::trace::{Trace, TraceLimits};
use crate::verdict::{AuditDecision, BodyStatus, Intervention, Match, Scores, ScriptMessage};
use candidates::{Candidates, Hit};
use collections::Collections;
use evaluate::{MatchedValue, Subject};
use kept::Keeper;
use recorder::Recorder;
use report::Reports;
pub use secrets::Secrets;
use store::Store;
pub(crate) use tools::Tools;

/// What the caller knows of a transaction before the request: the engine has no clock and no sockets.
#[derive(Debug, Clone)]
pub struct Context {
    /// `UNIQUE_ID`.
    pub unique_id: String,
    /// When the request began, in microseconds since 1970.
    pub now_micros: u64,
    /// The client.
    pub client: SocketAddr,
    /// The address it connected to.
    pub server: SocketAddr,
    /// Name of the server, if it has one; the Host header is used otherwise.
    pub server_name: String,
}

impl Default for Context {
    fn default() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Context {
            unique_id: String::new(),
            now_micros: 0,
            client: nowhere,
            server: nowhere,
            server_name: String::new(),
        }
    }
}

/// Everything that changes while a transaction runs; reused between transactions.
#[derive(Default)]
pub(crate) struct State {
    store: Store,
    collections: Collections,
    control: Control,
    reports: Reports,
    secrets: Secrets,
    /// What `prepend` and `append` add to the response body.
    injected: [Vec<u8>; 2],
    request_body: Vec<u8>,
    response_body: Vec<u8>,
    /// What the current rule has matched so far.
    matched: Vec<MatchedValue>,
    /// Rules of the current phase that can match, as the prefilter sees it.
    candidates: Candidates,
    /// Reused while rules run.
    hits: Vec<Hit>,
    subjects: Vec<Subject>,
    expanded: Vec<u8>,
    built: Vec<u8>,
    captures: Captures,
    /// Runs every rule on every value, as the rules are written.
    plain: bool,
    /// Present while the transaction is traced.
    recorder: Option<Box<Recorder>>,
    keeper: Keeper,
    /// The interpreter of scripts, once a rule has run one.
    sandbox: Option<Box<Sandbox>>,
    script_messages: Vec<ScriptMessage>,
}

/// What `ctl` and flow actions have changed.
#[derive(Debug, Default)]
struct Control {
    engine: EngineMode,
    audit_engine: AuditEngine,
    audit_log_parts: Vec<u8>,
    request_body_access: bool,
    request_body_limit: u64,
    response_body_access: bool,
    response_body_limit: u64,
    body_processor: Option<BodyProcessor>,
    response_body_processor: Option<BodyProcessor>,
    parse_xml_into_args: ParseXmlIntoArgs,
    force_request_body: bool,
    /// Rules taken out, by bit.
    removed: Vec<u64>,
    /// Target removals in force.
    target_removals: Vec<u16>,
    allow: Option<AllowScope>,
    /// A marker that a skip has not met yet.
    pending_skip: Option<u16>,
    interrupted: bool,
    highest_severity: Option<u8>,
    status: u16,
    /// The last phase that began; 0 before the first.
    phase: u8,
    now_micros: u64,
    elapsed: Duration,
}

impl State {
    /// Gives back what an unusually large transaction took.
    pub(crate) fn shrink(&mut self, keep: usize) {
        self.store.shrink(keep);
        self.request_body.clear();
        self.request_body.shrink_to(keep);
        self.response_body.clear();
        self.response_body.shrink_to(keep);
        self.recorder = None;
    }

    fn reset(&mut self, policy: &Policy) {
        let settings = policy.settings();
        self.store.reset(&policy.limits, policy.seed, policy.exhaustive);
        self.collections.reset(&policy.parts.names);
        self.reports.reset();
        self.secrets.clear();
        self.injected.iter_mut().for_each(Vec::clear);
        self.matched.clear();
        self.plain = policy.exhaustive;
        self.recorder = None;
        self.keeper = Keeper::default();
        self.script_messages.clear();
        let mut removed = std::mem::take(&mut self.control.removed);
        removed.clear();
        let mut target_removals = std::mem::take(&mut self.control.target_removals);
        target_removals.clear();
        self.control = Control {
            engine: settings.engine,
            audit_engine: settings.audit_engine,
            audit_log_parts: settings.audit_log_parts.clone(),
            request_body_access: settings.request_body_access,
            request_body_limit: settings.request_body_limit,
            response_body_access: settings.response_body_access,
            response_body_limit: settings.response_body_limit,
            parse_xml_into_args: settings.parse_xml_into_args,
            removed,
            target_removals,
            ..Control::default()
        };
    }

    /// Sets a variable that has one value.
    fn set(&mut self, variable: Variable, value: &[u8]) {
        let id = self.store.intern(value);
        self.collections.set_scalar(variable, id);
    }

    /// Sets one to a value that many requests have and that is no secret.
    fn set_common(&mut self, variable: Variable, value: &[u8]) {
        let id = self.store.intern_common(value);
        self.collections.set_scalar(variable, id);
    }

    /// Sets one to a number.
    fn set_number(&mut self, variable: Variable, value: u64) {
        let mut digits = [0u8; 20];
        let text = clock::decimal(value, &mut digits);
        // Small numbers are most often the same ones; large ones are many.
        if value < 1000 { self.set_common(variable, text) } else { self.set(variable, text) }
    }
}

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

impl State {
    /// Whether a phase may run: each does once, and none after a later one.
    fn begins(&mut self, phase: u8) -> bool {
        let begins = phase > self.control.phase;
        self.control.phase = self.control.phase.max(phase);
        begins
    }

    fn run_phase(&mut self, policy: &Policy, phase: u8) -> Option<Intervention> {
        self.store.tools = Some(policy.take_tools());
        let intervention =
            if self.plain { self.run_phase_plainly(policy, phase) } else { self.run_phase_quickly(policy, phase) };
        if let Some(tools) = self.store.tools.take() {
            policy.keep_tools(tools);
        }
        self.keep_collections();
        // What the phase declared secret is masked in all findings so far.
        self.mask_findings(policy);
        intervention
    }

    /// Bytes of request body that are taken. Only multipart bodies have files, which count less.
    fn request_body_limit(&self, policy: &Policy) -> u64 {
        let limit = self.control.request_body_limit;
        match policy.settings().request_body_no_files_limit {
            Some(without_files) if self.control.body_processor != Some(BodyProcessor::Multipart) => {
                limit.min(without_files)
            }
            _ => limit,
        }
    }

    /// A mode that never refuses cannot refuse a body either.
    fn limit_action(&self, configured: LimitAction) -> LimitAction {
        if self.control.engine == EngineMode::On { configured } else { LimitAction::ProcessPartial }
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
