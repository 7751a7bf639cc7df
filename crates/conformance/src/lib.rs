//! Runs rule-set regression suites against the engine in process, and against a gateway over the wire.
//!
//! [`crs::run`] runs the regression suite of the Core Rule Set, [`gate::run`] shows that its default
//! configuration blocks attacks and lets ordinary traffic through, and [`evaluate::run`] measures
//! true and false positive rates on data sets. [`live`] is what runs them over the wire.

pub mod crs;
pub mod evaluate;
pub mod gate;
pub mod live;
mod parallel;
mod report;
pub mod sample;
mod setup;

use parapet_engine::CompileError;
use parapet_seclang::ParseError;

pub use parallel::Progress;
pub use report::{Failure, Report};
pub use setup::{Mode, RuleSet, rule_set};

/// Why a rule set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The rules are not valid SecLang.
    #[error("the rules cannot be parsed:\n{}", list(.0))]
    Parse(Vec<ParseError>),
    /// The rules cannot be compiled.
    #[error("the rules cannot be compiled:\n{}", list(.0))]
    Compile(Vec<CompileError>),
}

fn list<T: ToString>(errors: &[T]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
