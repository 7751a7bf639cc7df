//! What can be wrong with a policy.

use std::path::PathBuf;

use parapet_seclang::ParseError;

/// One thing in a configuration that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", .file.display())]
pub struct CompileError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// Why a policy could not be loaded: everything that is wrong with it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The text is not SecLang.
    #[error("{}", lines(.0))]
    Parse(Vec<ParseError>),
    /// The directives cannot be compiled.
    #[error("{}", lines(.0))]
    Compile(Vec<CompileError>),
}

fn lines<E: std::fmt::Display>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
