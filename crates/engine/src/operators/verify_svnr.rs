//! `@verifySVNR`: `verify(candidate: &[u8]) -> bool`.
