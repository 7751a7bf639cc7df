//! Any text as a cursor of the API: refused, or exactly what its position is written as.
#![no_main]

#[allow(dead_code, unreachable_pub, reason = "the target uses its part")]
#[path = "../../crates/console/src/cursor.rs"]
mod cursor;

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(position) = cursor::decode(text)
    {
        assert_eq!(cursor::encode(&position), text);
    }
    // With the check that a fuzzer does not guess.
    let check = Sha256::digest(input);
    let bytes = [input, &check[..4]].concat();
    use base64::Engine;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    if let Some(position) = cursor::decode(&text) {
        assert_eq!(cursor::encode(&position), text);
    }
});
