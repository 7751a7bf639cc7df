//! Stand-in for the engine's public API until it has one.
#![allow(dead_code, missing_docs, unreachable_pub, unused_variables, clippy::all)]
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
pub struct Policy;
#[derive(Default)]
pub struct Settings {
    pub engine: EngineMode,
    pub response_body_access: bool,
}
#[derive(Default, PartialEq, Clone, Copy)]
pub enum EngineMode {
    #[default]
    Off,
    DetectionOnly,
    On,
}

impl Policy {
    pub fn hash(&self) -> &str {
        ""
    }
    pub fn settings(&self) -> &'static Settings {
        &Settings { engine: EngineMode::Off, response_body_access: false }
    }
}
pub struct Context {
    pub unique_id: String,
    pub now_micros: u64,
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub server_name: String,
}
pub struct Transaction;
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum BodyStatus {
    Accepted,
    Partial,
    Rejected,
}
pub enum InterventionKind {
    Deny,
    Drop,
    Redirect,
    Proxy,
}
pub struct Intervention {
    pub status: u16,
    pub kind: InterventionKind,
    pub rule_id: u32,
    pub url: Option<Vec<u8>>,
}
#[derive(Default)]
pub struct Scores {
    pub inbound: i64,
    pub outbound: i64,
    pub inbound_threshold: i64,
    pub outbound_threshold: i64,
    pub paranoia_level: i64,
}
pub struct Match<'a> {
    pub rule_id: u32,
    pub phase: u8,
    pub message: &'a [u8],
    pub data: &'a [u8],
    pub tags: Vec<&'a [u8]>,
    pub severity: Option<u8>,
    pub variable: &'a [u8],
    pub value: &'a [u8],
    pub operator: &'a [u8],
    pub scores: Vec<(&'a [u8], i64)>,
    pub file: &'a Path,
    pub line: u32,
    pub log: bool,
    pub auditlog: bool,
    pub disruptive: bool,
}
pub struct AuditDecision {
    pub log: bool,
}
impl Transaction {
    pub fn new(policy: Arc<Policy>, context: Context) -> Transaction {
        Transaction
    }
    pub fn request_line(&mut self, method: &[u8], uri: &[u8], protocol: &[u8]) {}
    pub fn request_header(&mut self, name: &[u8], value: &[u8]) {}
    pub fn process_request_headers(&mut self) -> Option<Intervention> {
        None
    }
    pub fn wants_request_body(&self) -> bool {
        true
    }
    pub fn append_request_body(&mut self, chunk: &[u8]) -> BodyStatus {
        BodyStatus::Accepted
    }
    pub fn process_request_body(&mut self) -> Option<Intervention> {
        None
    }
    pub fn response_line(&mut self, status: u16, protocol: &[u8]) {}
    pub fn response_header(&mut self, name: &[u8], value: &[u8]) {}
    pub fn process_response_headers(&mut self) -> Option<Intervention> {
        None
    }
    pub fn wants_response_body(&self) -> bool {
        false
    }
    pub fn append_response_body(&mut self, chunk: &[u8]) -> BodyStatus {
        BodyStatus::Accepted
    }
    pub fn process_response_body(&mut self) -> Option<Intervention> {
        None
    }
    pub fn process_logging(&mut self) {}
    pub fn matches(&self) -> impl Iterator<Item = Match<'_>> {
        std::iter::empty()
    }
    pub fn scores(&self) -> Scores {
        Scores::default()
    }
    pub fn set_elapsed(&mut self, elapsed: Duration) {}
    pub fn is_incomplete(&self) -> bool {
        false
    }
    pub fn engine_mode(&self) -> EngineMode {
        EngineMode::Off
    }
    pub fn audit(&self) -> AuditDecision {
        AuditDecision { log: false }
    }
}
