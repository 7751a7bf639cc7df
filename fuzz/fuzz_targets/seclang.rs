//! Any bytes as SecLang: no panic, no endless loop, and every error has a place inside the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_seclang::{NoFiles, parse_str};

fuzz_target!(|text: &[u8]| {
    let lines = text.split(|byte| *byte == b'\n').count();
    match parse_str("fuzz.conf", text, &NoFiles) {
        Ok(configuration) => assert!(configuration.files.len() == 1),
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.line >= 1 && error.line as usize <= lines && error.column >= 1, "{error}");
            }
        }
    }
});
