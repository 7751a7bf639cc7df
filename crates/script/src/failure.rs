//! What can be wrong with a script, when it is read and when it runs.

use std::fmt;

/// Name under which Lua knows every script; messages show the script's own.
pub(crate) const CHUNK: &str = "script";
/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 1024;

/// A script that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{script}:{line}: {message}")]
pub struct CompileError {
    /// Name of the script.
    pub script: String,
    /// Line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// A call that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{script}{}: {message}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Failure {
    /// Name of the script.
    pub script: String,
    /// Line it happened at, from 1, if one is known.
    pub line: Option<u32>,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The script raised an error, or does not define what was called.
    Error,
    /// It ran for more steps than allowed.
    Steps,
    /// It ran longer than allowed.
    Time,
    /// It took more memory than allowed.
    Memory,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FailureKind::Error => "an error was raised",
            FailureKind::Steps => "the script ran for more steps than its limit allows",
            FailureKind::Time => "the script ran longer than its limit allows",
            FailureKind::Memory => "the script took more memory than its limit allows",
        })
    }
}

impl Failure {
    /// From an error of the interpreter. `spent` is the limit that the call reached, if it did.
    pub(crate) fn new(script: &str, error: &mlua::Error, spent: Option<FailureKind>) -> Failure {
        let text = root(error).to_string();
        let (line, message) = place(&text);
        let kind = match spent {
            Some(kind) => kind,
            None if is_memory(error) => FailureKind::Memory,
            None => FailureKind::Error,
        };
        let message = if kind == FailureKind::Error { message } else { kind.to_string() };
        Failure { script: script.to_owned(), line, kind, message }
    }
}

impl CompileError {
    /// From an error of the interpreter.
    pub(crate) fn new(script: &str, error: &mlua::Error) -> CompileError {
        let text = match error {
            mlua::Error::SyntaxError { message, .. } => message.clone(),
            other => other.to_string(),
        };
        let (line, message) = place(&text);
        CompileError { script: script.to_owned(), line: line.unwrap_or(1), message }
    }
}

/// The error that others were wrapped around.
fn root(mut error: &mlua::Error) -> &mlua::Error {
    while let mlua::Error::CallbackError { cause, .. } = error {
        error = cause;
    }
    error
}

fn is_memory(error: &mlua::Error) -> bool {
    matches!(root(error), mlua::Error::MemoryError(_))
}

/// Takes `script:LINE: message` apart, and cuts what follows the message.
fn place(text: &str) -> (Option<u32>, String) {
    let text = text.split("\nstack traceback:").next().unwrap_or_default();
    let text = text.strip_prefix("runtime error: ").unwrap_or(text).trim_end();
    let placed = text.strip_prefix(CHUNK).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| {
        let (line, message) = rest.split_once(": ")?;
        Some((line.parse().ok()?, message))
    });
    let (line, message) = match placed {
        Some((line, message)) => (Some(line), message),
        None => (None, text),
    };
    let end = (0..=LONGEST_MESSAGE.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    (line, message.get(..end).unwrap_or_default().to_owned())
}
