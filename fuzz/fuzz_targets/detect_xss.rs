//! Any bytes to `@detectXSS`: its gate changes no verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::detect_xss(input));
