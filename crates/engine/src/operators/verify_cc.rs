//! `@verifyCC`: `verify(candidate: &[u8]) -> bool`, the checksum only; the regex is run by the caller.
