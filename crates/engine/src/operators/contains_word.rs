//! `@containsWord`: `matches(argument: &[u8], value: &[u8]) -> bool`.
