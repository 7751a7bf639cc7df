//! What a transaction comes to: interventions, findings, scores, and what to log.

use std::path::Path;

use parapet_seclang::ast::EngineMode;

/// A rule's demand to stop the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// HTTP status to answer with.
    pub status: u16,
    /// What to do.
    pub kind: InterventionKind,
    /// The rule.
    pub rule_id: u32,
    /// Where to redirect to.
    pub url: Option<Vec<u8>>,
    /// The rule's message, macros expanded; lossily decoded.
    pub message: String,
}

/// What an intervention asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterventionKind {
    /// Answer with the status.
    Deny,
    /// Close the connection.
    Drop,
    /// Redirect to the URL.
    Redirect,
}

/// What became of a piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyStatus {
    /// Taken whole.
    Accepted,
    /// The limit is reached and what fits is inspected; more need not be passed.
    Partial,
    /// The limit is reached and the transaction is to be refused.
    Rejected,
}

/// One finding: a rule that matched and is to be logged.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    /// Id of the rule.
    pub rule_id: u32,
    /// Phase it ran in, 1 to 5.
    pub phase: u8,
    /// `msg`, macros expanded.
    pub message: &'a [u8],
    /// `logdata`, macros expanded.
    pub data: &'a [u8],
    /// Tags, macros expanded.
    pub tags: Vec<&'a [u8]>,
    /// Severity, 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// Name of the last variable that matched, such as `ARGS:q`; empty for `SecAction`.
    pub variable: &'a [u8],
    /// Its value as the operator saw it.
    pub value: &'a [u8],
    /// The operator and its argument.
    pub operator: &'a [u8],
    /// What the rule added to variables that hold scores.
    pub scores: Vec<(&'a [u8], i64)>,
    /// All variables of the first link that matched, with their values.
    pub matched: Vec<(&'a [u8], &'a [u8])>,
    /// `rev`.
    pub revision: &'a [u8],
    /// `ver`.
    pub version: &'a [u8],
    /// `maturity`.
    pub maturity: Option<u8>,
    /// `accuracy`.
    pub accuracy: Option<u8>,
    /// File of the rule.
    pub file: &'a Path,
    /// Line of the rule.
    pub line: u32,
    /// Whether it belongs in the error log.
    pub log: bool,
    /// Whether it belongs in the audit log.
    pub auditlog: bool,
    /// Whether it stopped the transaction.
    pub disruptive: bool,
}

/// What a script of the rules said (`m.log`), or why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptMessage {
    /// Id of the rule.
    pub rule_id: u32,
    /// 1 (an error; also that the script failed) to 9 (detail).
    pub level: u8,
    /// The message; lossily decoded.
    pub text: String,
}

/// Anomaly scores of CRS, read from the names that CRS 3 and CRS 4 use; 0 if absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scores {
    /// Inbound score that blocking looks at.
    pub inbound: i64,
    /// Outbound score that blocking looks at.
    pub outbound: i64,
    /// Inbound score at which CRS blocks.
    pub inbound_threshold: i64,
    /// Outbound score at which CRS blocks.
    pub outbound_threshold: i64,
    /// Paranoia level that blocks.
    pub paranoia_level: i64,
}

/// Whether and how a transaction belongs in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDecision {
    /// Whether to log it.
    pub log: bool,
    /// Whether it has a finding or a relevant status.
    pub relevant: bool,
    /// Parts to log, as `SecAuditLogParts` names them.
    pub parts: Vec<u8>,
    /// The engine's mode, which the audit log names.
    pub mode: EngineMode,
}
