//! A small MaxMind DB: 192.0.2.0/24 is in Lund.
//!
//! Source: MaxMind DB File Format Specification 2.0.

fn string(text: &str) -> Vec<u8> {
    [&[2 << 5 | text.len() as u8], text.as_bytes()].concat()
}

fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![7 << 5 | members.len() as u8];
    for (name, value) in members {
        bytes.extend(string(name));
        bytes.extend(value);
    }
    bytes
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [&[items.len() as u8, 11 - 7][..], &items.concat()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [&[3 << 5 | 8][..], &value.to_be_bytes()].concat()
}

fn uint16(value: u16) -> Vec<u8> {
    [&[5 << 5 | 2][..], &value.to_be_bytes()].concat()
}

fn uint32(value: u32) -> Vec<u8> {
    [&[6 << 5 | 4][..], &value.to_be_bytes()].concat()
}

fn named(name: &str) -> Vec<u8> {
    map(&[("en", string(name))])
}

/// The bytes of the database.
pub(crate) fn database() -> Vec<u8> {
    const NETWORK: u32 = 0xc000_0200;
    const BITS: u32 = 24;
    let mut bytes = Vec::new();
    for depth in 0..BITS {
        // The next node on the way to the network, at its end the record; nothing on the other side.
        let next = if depth + 1 < BITS { depth + 1 } else { BITS + 16 };
        let one = NETWORK >> (31 - depth) & 1 == 1;
        let (left, right) = if one { (BITS, next) } else { (next, BITS) };
        bytes.extend_from_slice(&left.to_be_bytes()[1..]);
        bytes.extend_from_slice(&right.to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(map(&[
        ("city", map(&[("names", named("Lund"))])),
        ("continent", map(&[("code", string("EU")), ("names", named("Europe"))])),
        ("country", map(&[("iso_code", string("SE")), ("names", named("Sweden"))])),
        ("location", map(&[("latitude", double(55.5)), ("longitude", double(13.25))])),
        ("postal", map(&[("code", string("223 50"))])),
        ("subdivisions", array(&[map(&[("iso_code", string("M"))])])),
    ]));
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("node_count", uint32(BITS)),
        ("record_size", uint16(24)),
        ("ip_version", uint16(4)),
        ("database_type", string("Test")),
        ("languages", array(&[string("en")])),
        ("binary_format_major_version", uint16(2)),
        ("binary_format_minor_version", uint16(0)),
        ("build_epoch", [&[8, 9 - 7][..], &1_700_000_000_u64.to_be_bytes()].concat()),
        ("description", named("a test")),
    ]));
    bytes
}
