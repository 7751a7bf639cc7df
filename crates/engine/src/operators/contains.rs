//! `@contains`.

use memchr::memmem;

/// Whether the argument occurs in the value; an empty one does.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    memmem::find(value, argument).is_some()
}
