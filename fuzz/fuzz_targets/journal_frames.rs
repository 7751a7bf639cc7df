//! Any bytes as a file of framed records: what was appended whole is read back, whatever is around it.
#![no_main]

#[allow(dead_code, reason = "the target uses its part")]
#[path = "../../crates/embedded/src/frame.rs"]
mod frame;

use std::io::{Seek, Write};

use frame::{Item, Kind, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    // Records of the fuzzer's own, between bytes that are anything.
    let split = usize::from(choice) * rest.len() / 255;
    let (before, payload) = rest.split_at(split);
    let mut bytes = before.to_vec();
    frame::push(&mut bytes, 7, payload);
    let record = bytes.len();
    bytes.extend_from_slice(before);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).and_then(|()| file.rewind()).expect("writing it");
    let _ = frame::read_header(&file, Kind::Journal).expect("reading it");
    let mut reader = Reader::new(&file, 0, bytes.len() as u64);
    let mut position = 0;
    let mut found = false;
    while let Some(item) = reader.next().expect("reading it") {
        let (from, to) = match item {
            Item::Record { offset, sequence, payload: read } => {
                found |= sequence == 7 && read == payload && offset as usize == record - payload.len() - frame::RECORD_OVERHEAD;
                (offset, offset + (frame::RECORD_OVERHEAD + read.len()) as u64)
            }
            Item::Damage { from, to, .. } => (from, to),
        };
        assert!(from == position && to > from, "every byte belongs to one item");
        position = to;
    }
    assert_eq!(position, bytes.len() as u64);
    // Only a valid record that begins earlier and covers it can hide it.
    assert!(found || before.windows(4).any(|bytes| bytes == [0xf1, 0x50, 0x52, 0x0a]));
});
