//! Every transformation: the first byte chooses it, the rest is its input.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::transformation(input));
