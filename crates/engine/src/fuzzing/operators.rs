//! Properties of the operators around libinjection.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libinjectionrs::{SqliFlags, SqliState, XssDetector};

use crate::operators;

/// Detection through the operator is detection by the library.
pub fn detect_sqli(input: &[u8]) {
    if input.len() > 1000 {
        // Beyond that the operator may refuse a value that the library would take long for.
        return;
    }
    let plain = catch_unwind(AssertUnwindSafe(|| SqliState::new(input, SqliFlags::FLAG_NONE).detect())).unwrap_or(true);
    assert_eq!(operators::detect_sqli(input).is_some(), plain, "{}", input.escape_ascii());
}

/// Detection through the operator is detection by the library.
pub fn detect_xss(input: &[u8]) {
    let plain = catch_unwind(AssertUnwindSafe(|| XssDetector::new().detect(input).is_injection())).unwrap_or(true);
    assert_eq!(operators::detect_xss(input), plain, "{}", input.escape_ascii());
}
