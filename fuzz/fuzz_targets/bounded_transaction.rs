//! Random rules and requests under random limits: the limits are kept, and a second run is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::bounded_transaction(input));
