//! `@strmatch`.

use memchr::memmem;

/// Whether the argument occurs in the value, as `@contains`.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    memmem::find(value, argument).is_some()
}
