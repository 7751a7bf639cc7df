//! `@streq`.

/// Whether value and argument are the same bytes.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    value == argument
}
