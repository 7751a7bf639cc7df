//! `@verifyCPF`: `verify(candidate: &[u8]) -> bool`.
