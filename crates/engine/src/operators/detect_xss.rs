//! `@detectXSS`: `detect(value: &[u8]) -> bool`.
