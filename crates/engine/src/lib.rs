//! Compiled SecLang policies and transactions: bytes in, verdict out.
//!
//! A [`Policy`] is compiled once from a SecLang configuration and shared; a [`Transaction`] runs one
//! request and its response through the five phases of that policy. The engine has no clock, no
//! network and no global state.
//!
//! ```
//! use std::sync::Arc;
//! use parapet_engine::{Context, Policy, Transaction};
//!
//! let rules = br#"SecRuleEngine On
//! SecRule ARGS "@contains <script" "id:1,phase:1,deny,status:403,t:lowercase,msg:'XSS'""#;
//! let configuration = parapet_engine::seclang::parse_str("example", rules, &parapet_engine::seclang::NoFiles).unwrap();
//! let policy = Arc::new(Policy::compile(&configuration, &parapet_engine::seclang::NoFiles).unwrap());
//! let mut transaction = Transaction::new(policy, Context::default());
//! transaction.request_line(b"GET", b"/?q=%3CSCRIPT%3E", b"HTTP/1.1");
//! assert_eq!(transaction.process_request_headers().unwrap().status, 403);
//! ```

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

pub use error::{CompileError, LoadError};
pub use limits::{Limit, Limits};
pub use loader::FileLoader;
pub use parapet_seclang as seclang;
pub use parapet_seclang::ast::EngineMode;
pub use policy::{Policy, Settings};
pub use transaction::{Context, Transaction};
pub use verdict::{AuditDecision, BodyStatus, Intervention, InterventionKind, Match, Scores};
