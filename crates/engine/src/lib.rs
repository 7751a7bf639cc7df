//! Compiled SecLang policies and transactions: bytes in, verdict out.
//!
//! A library by itself: no runtime, no network, no clock and no global state. What it needs to know
//! it is given, and what it finds it returns; two policies in one process know nothing of each other.
//!
//! ```
//! use parapet_engine::{Context, Policy, Transaction};
//!
//! let rules = br#"SecRuleEngine On
//! SecRule ARGS "@contains <script" "id:1,phase:1,deny,status:403,t:lowercase,msg:'XSS'""#;
//! let policy = Policy::from_text("example.conf", rules)?;
//! let mut transaction = Transaction::new(policy.into(), Context::default());
//! transaction.request_line(b"GET", b"/?q=%3CSCRIPT%3E", b"HTTP/1.1");
//! transaction.request_header(b"Host", b"www.example.com");
//! let intervention = transaction.process_request_headers().expect("rule 1 stops the transaction");
//! assert_eq!((intervention.status, intervention.rule_id), (403, 1));
//! # Ok::<(), parapet_engine::LoadError>(())
//! ```
//!
//! # Policy
//! A [`Policy`] is compiled once, from rule files ([`Policy::load`]), from text ([`Policy::from_text`]) or
//! from parsed directives whose files come from wherever you like ([`Policy::compile`]). Everything that is
//! wrong with the rules is reported at once, each with file, line and column. A policy never changes, so
//! threads share it behind an [`Arc`](std::sync::Arc); to change the rules, put another one in its place.
//! Transactions keep the policy that they began with.
//!
//! # Transaction and phases
//! A [`Transaction`] is one request and its response. It is fed in the order of the wire and runs the
//! rules in five phases:
//!
//! | phase | after | call |
//! |---|---|---|
//! | 1 | the request's headers | [`process_request_headers`](Transaction::process_request_headers) |
//! | 2 | the request's body | [`process_request_body`](Transaction::process_request_body) |
//! | 3 | the response's headers | [`process_response_headers`](Transaction::process_response_headers) |
//! | 4 | the response's body | [`process_response_body`](Transaction::process_response_body) |
//! | 5 | everything | [`process_logging`](Transaction::process_logging) |
//!
//! Phase 2 is for every request, also one without a body; phase 5 runs also after an intervention. Calls
//! in another order do no harm: no phase runs twice, and none after a later one.
//!
//! # Verdict
//! Phases 1 to 4 return an [`Intervention`] if a rule wants the transaction stopped; what to do about it is
//! the caller's business. [`Transaction::matches`] tells what was found, [`Transaction::scores`] the anomaly
//! scores of the Core Rule Set, [`Transaction::audit`] whether the transaction belongs in the audit log. Under
//! `SecRuleEngine DetectionOnly` rules run and nothing intervenes.
//!
//! # Limits
//! No input makes a transaction cost more than its [`Limits`]: steps, memory, numbers of values. What a
//! limit leaves out is not inspected, and [`Transaction::limits_met`] says so; the caller decides whether
//! such a request is refused. Bodies over `SecRequestBodyLimit` are cut or refused as the policy says
//! ([`BodyStatus`]).
//!
//! # Explanations
//! [`Transaction::with_trace`] records why a transaction ended as it did, rule by rule: see [`trace`].

mod body;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
mod hostile;
mod limits;
mod loader;
mod operators;
pub mod persistence;
mod policy;
mod prefilter;
pub mod trace;
mod transaction;
mod transformations;
mod variables;
#[cfg(test)]
mod vectors;
mod verdict;

/// The example of the README compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use error::{CompileError, LoadError};
pub use limits::{Limit, Limits};
pub use loader::FileLoader;
pub use operators::Resolver;
pub use parapet_script::Limits as ScriptLimits;
pub use parapet_seclang as seclang;
pub use parapet_seclang::ast::EngineMode;
pub use policy::{Policy, Settings};
pub use transaction::{Context, Secrets, Transaction};
pub use verdict::{AuditDecision, BodyStatus, Intervention, InterventionKind, Match, Scores, ScriptMessage};
