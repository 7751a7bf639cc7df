//! Any bytes as a log of another WAF, in each format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_pipeline::sources::{Format, Reader};

fuzz_target!(|input: &[u8]| {
    for format in [Format::Auto, Format::Json, Format::Native, Format::ErrorLog] {
        let (mut reader, mut records) = (Reader::new(format), Vec::new());
        for line in input.split(|byte| *byte == b'\n') {
            reader.line(line, None, &mut records);
            assert!(reader.held() <= input.len() as u64 + 1);
        }
        reader.finish(&mut records);
        assert_eq!(reader.held(), 0);
    }
});
