//! The expression of `SecAuditLogRelevantStatus`, compiled once for all transactions.

use parapet_seclang::Configuration;
use parapet_seclang::ast::{DirectiveKind, Setting};

use crate::error::CompileError;
use crate::operators::Rx;

/// The last one of a configuration.
pub(super) fn compile(configuration: &Configuration) -> Result<Option<Rx>, Vec<CompileError>> {
    let mut found = None;
    let mut errors = Vec::new();
    for directive in &configuration.directives {
        let DirectiveKind::Setting(Setting::AuditLogRelevantStatus(pattern)) = &directive.kind else { continue };
        match Rx::compile(pattern) {
            Ok(rx) => found = Some(rx),
            Err(message) => {
                let span = directive.span;
                let file = configuration.files.get(span.file as usize);
                let file = file.map(|file| file.to_path_buf()).unwrap_or_default();
                errors.push(CompileError { file, line: span.line, column: span.column, message });
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}
