//! Any bytes to `@detectSQLi`: its gates change no verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::detect_sqli(input));
