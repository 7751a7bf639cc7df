//! What a caller lets scripts do.

use crate::Value;

/// Functions that a caller offers to scripts while they run.
pub trait Host {
    /// Their names: `name`, or `table.name` for a member of a table. The same for every call of one
    /// script.
    fn functions(&self) -> &'static [&'static str];

    /// Calls the function at a place of that list.
    ///
    /// # Errors
    /// The message of the error that is raised in the script.
    fn call(&mut self, function: usize, arguments: &[Value]) -> Result<Value, String>;
}

/// A host that offers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Host for Nothing {
    fn functions(&self) -> &'static [&'static str] {
        &[]
    }

    fn call(&mut self, _function: usize, _arguments: &[Value]) -> Result<Value, String> {
        Ok(Value::Nil)
    }
}
