//! Any text as the JSON of an event: not read by hand, or exactly as serde reads it; and written again as
//! serde writes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_event::{SecurityEvent, json};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let by_serde = serde_json::from_str::<SecurityEvent>(text).ok();
    if let Some(event) = json::read(text) {
        assert_eq!(by_serde.as_ref(), Some(&event));
    }
    if let Some(event) = by_serde {
        assert_eq!(Some(json::write(&event)), serde_json::to_string(&event).ok());
    }
});
