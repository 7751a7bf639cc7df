//! Any bytes as a multipart body, and as its Content-Type.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| parapet_engine::fuzzing::multipart(input));
