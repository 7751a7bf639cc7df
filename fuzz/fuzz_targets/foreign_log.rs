//! Any bytes as a log of another WAF: the first byte chooses the format. Every line ends up in one
//! record or is held, and a second reader reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_pipeline::sources::{Format, Reader, Record};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, log)) = input.split_first() else { return };
    let format = [Format::Auto, Format::Json, Format::Native, Format::ErrorLog][usize::from(choice) % 4];
    let records = read(format, log);
    assert_eq!(records, read(format, log));
    let mut last = 0;
    for record in &records {
        assert!(record.line >= last, "records are in the order of the log");
        last = record.line;
        if let Err(why) = &record.outcome {
            assert!(!why.to_string().is_empty());
        }
    }
});

fn read(format: Format, log: &[u8]) -> Vec<Record> {
    let mut reader = Reader::new(format);
    let mut records = Vec::new();
    let mut taken = 0;
    for line in log.split(|byte| *byte == b'\n') {
        reader.line(line, None, &mut records);
        taken += line.len() as u64 + 1;
        assert!(reader.held() <= taken);
    }
    reader.finish(&mut records);
    records
}
