//! An operator, its argument and a value, from a grammar: plain form, gate and result agree.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::operator(input));
