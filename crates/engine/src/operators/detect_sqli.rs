//! `@detectSQLi`: `detect(value: &[u8]) -> Option<Fingerprint>` (derefs to bytes).
