//! `@beginsWith`.

/// Whether the value begins with the argument.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    value.starts_with(argument)
}
