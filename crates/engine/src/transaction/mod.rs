//! One request and its response on their way through the five phases of a policy.
//!
//! [`request`], [`body`] and [`response`] turn what the client and the server sent into collections;
//! [`interpreter`] runs the rules of a phase ([`plain`] the slow way), [`evaluate`] one link of a rule on
//! the values that [`subjects`] gathers, [`effects`] what it does when it matches, [`kept`] what outlives
//! the transaction, [`scripts`] what Lua does; [`report`] keeps the findings, [`recorder`] and [`traced`]
//! the trace, if there is to be one. [`exchange`] is what a caller sees of all that.

mod body;
mod budget;
mod candidates;
mod clock;
mod collections;
mod effects;
mod evaluate;
mod exchange;
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
use std::time::Duration;

use parapet_script::Sandbox;
use parapet_seclang::ast::{
    AllowScope, AuditEngine, BodyProcessor, EngineMode, LimitAction, ParseXmlIntoArgs, Variable,
};

use crate::operators::Captures;
use crate::policy::Policy;
use crate::verdict::{Intervention, ScriptMessage};
use candidates::{Candidates, Hit};
use collections::Collections;
use evaluate::{MatchedValue, Subject};
pub use exchange::Transaction;
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
