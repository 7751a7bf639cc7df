//! Properties that hold for any bytes: each function panics if one does not. The fuzz targets feed them
//! what a fuzzer finds, the tests below what a generator makes.

use crate::chunked::ChunkDecoder;
use crate::framing;
use crate::head::{Head, HeadLimits, find_end, is_token, is_value};
use crate::target;

const LIMITS: HeadLimits = HeadLimits { request_line: 16 * 1024, total: 64 * 1024, headers: 200 };

/// A head without fault is exactly its parts: written again from them, it is the bytes that came, white
/// space around values aside. So nobody behind the gateway can split it differently.
pub fn head(bytes: &[u8]) {
    let end = find_end(bytes, 0);
    for from in [1, bytes.len() / 2, bytes.len().saturating_sub(2)] {
        if end.is_none() {
            assert_eq!(find_end(bytes, from), None, "the end depends on where the search begins");
        }
    }
    let mut parsed = Head::default();
    parsed.parse(&bytes[..end.unwrap_or(bytes.len())], &LIMITS);
    let _ = framing::of_request(&parsed);
    let _ = target::of(&parsed);
    if parsed.fault.is_some() {
        return;
    }
    let mut written = [parsed.method(), b" ", parsed.target(), b" ", parsed.protocol(), b"\r\n"].concat();
    for (name, value) in parsed.headers() {
        assert!(is_token(name) && is_value(value));
        written.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    written.extend_from_slice(b"\r\n");
    let mut again = Head::default();
    again.parse(&written, &LIMITS);
    assert_eq!(again.fault, None);
    assert!(again.headers().eq(parsed.headers()), "written again, it reads differently");
    assert_eq!((again.method(), again.target()), (parsed.method(), parsed.target()));
    let plain = |bytes: &[u8]| bytes.iter().copied().filter(|b| !matches!(b, b' ' | b'\t')).collect::<Vec<u8>>();
    assert!(plain(&written).starts_with(&plain(&bytes[..end.unwrap_or(bytes.len())])), "bytes were lost or invented");
    let mut encoded = Vec::new();
    if let Ok(target) = target::of(&parsed) {
        target::write_encoded(target.path, &mut encoded);
        assert!(encoded.iter().all(|byte| (0x21..0x7f).contains(byte)), "an illegal byte is passed on");
    }
}

/// Chunks read the same however they arrive, and as a plain decoder reads them.
pub fn chunks(bytes: &[u8]) {
    let whole = decode(bytes, bytes.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(decode(bytes, step), whole, "the body depends on how it arrives (in steps of {step})");
    }
    if let Ok((body, consumed, true)) = &whole {
        assert_eq!(plain_decode(&bytes[..*consumed]).as_ref(), Some(body), "a plain decoder reads another body");
    }
}

type Outcome = Result<(Vec<u8>, usize, bool), &'static str>;

fn decode(bytes: &[u8], step: usize) -> Outcome {
    let (mut decoder, mut body, mut consumed) = (ChunkDecoder::new(), Vec::new(), 0);
    for piece in bytes.chunks(step) {
        let decoded = decoder.decode(piece, &mut body, usize::MAX)?;
        consumed += decoded.consumed;
        if decoded.done {
            return Ok((body, consumed, true));
        }
    }
    Ok((body, consumed, false))
}

/// Reads chunks line by line, without any state.
fn plain_decode(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let size = bytes[..end].split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a property over generated inputs, the same in every run.
    fn run(property: fn(&[u8]), tokens: &[&[u8]], longest: u64) {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..next(longest) {
                bytes.extend_from_slice(tokens[next(tokens.len() as u64) as usize]);
            }
            property(&bytes);
        }
    }

    #[test]
    fn heads_are_their_parts() {
        let tokens: &[&[u8]] = &[
            b"GET ",
            b"POST",
            b" ",
            b"/",
            b"/a?b",
            b"*",
            b" HTTP/1.1\r\n",
            b" HTTP/1.0\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            b"Host: x\r\n",
            b"A:b\r\n",
            b"Content-Length: 1\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b":",
            b"\t",
            b"\xff",
            b"\r\n\r\n",
            b"http://x/",
        ];
        run(head, tokens, 12);
    }

    #[test]
    fn chunks_are_read_in_one_way() {
        let tokens: &[&[u8]] = &[
            b"0",
            b"1",
            b"5",
            b"a",
            b"F",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b";",
            b"x=y",
            b"0\r\n\r\n",
            b"1\r\nz\r\n",
            b"3\r\nabc\r\n",
            b"T: v\r\n",
            b"\0",
            b" ",
            b"hello",
        ];
        run(chunks, tokens, 14);
    }
}
