//! `@within`.

use memchr::memmem;

/// Whether the value occurs in the argument; an empty one does.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    memmem::find(argument, value).is_some()
}
