//! `@verifySSN`: `verify(candidate: &[u8]) -> bool`.
