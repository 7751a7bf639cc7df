//! `@detectXSS`: cross-site scripting, as libinjection finds it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libinjectionrs::XssDetector;
use memchr::memchr2;

/// Whether the value is script or markup that runs script, in any of five HTML contexts.
pub(crate) fn detect(value: &[u8]) -> bool {
    // Every finding needs a tag, a comment, a declaration or an attribute with a value: all begin
    // with `<` or hold `=`.
    if memchr2(b'<', b'=', value).is_none() {
        return false;
    }
    // The library is a port that indexes slices. Should it ever fail, the value is what an attacker
    // would send: it counts as found.
    catch_unwind(AssertUnwindSafe(|| XssDetector::new().detect(value).is_injection())).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_in_every_context_is_found() {
        for value in [
            "<script>alert(1)</script>",
            "\" onload=alert(1)",
            "' onerror='x",
            "x onclick=1",
            "<a href=\"javascript:alert(1)\">",
            "<!DOCTYPE x>",
            "<svg/onload=x>",
        ] {
            assert!(detect(value.as_bytes()), "{value}");
        }
        for value in ["", "hello", "a < b", "x=1&y=2", "name=value", "1 > 2", "onclick"] {
            assert!(!detect(value.as_bytes()), "{value}");
        }
    }
}
