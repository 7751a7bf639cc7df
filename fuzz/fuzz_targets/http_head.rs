//! Request heads: what is accepted can be read in one way only.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parapet_gateway::fuzzing::head(data));
