//! Any bytes as an XML body.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::xml(input));
