//! `@endsWith`.

/// Whether the value ends with the argument.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    value.ends_with(argument)
}
