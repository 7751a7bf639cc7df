//! Random rules against random requests: the fast way finds what the slow way finds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::random_rules(input));
