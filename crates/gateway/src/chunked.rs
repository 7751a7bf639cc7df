//! Decodes the chunked transfer coding (RFC 9112 section 7.1), strictly.
//!
//! Bare LF, white space around the size, sizes of more than 15 hexadecimal digits and control bytes in
//! extensions are refused. Extensions and trailers are checked, bounded and dropped: bodies are framed
//! anew when they are passed on, so nobody behind the gateway can read them differently.

use crate::head;

/// Longest chunk extension in bytes.
const EXTENSION_MAX: usize = 256;
/// Longest trailer section in bytes.
const TRAILERS_MAX: usize = 8192;
/// Most hexadecimal digits of a size.
const DIGITS_MAX: u8 = 15;

/// Decoder state that survives from read to read.
#[derive(Debug)]
pub(crate) struct ChunkDecoder {
    state: State,
    /// Size of the chunk whose extension is being read.
    pending: u64,
    trailer_bytes: usize,
    trailer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { value: u64, digits: u8 },
    Extension { length: usize },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
    Done,
}

/// Result of one call to [`ChunkDecoder::decode`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Bytes of the input that were used.
    pub(crate) consumed: usize,
    /// Whether the body is complete.
    pub(crate) done: bool,
}

impl ChunkDecoder {
    /// A decoder at the start of a body.
    pub(crate) fn new() -> Self {
        ChunkDecoder { state: State::Size { value: 0, digits: 0 }, pending: 0, trailer_bytes: 0, trailer: Vec::new() }
    }

    /// Decodes as much of `input` as there is, appending data to `out`, and stops early once `out` has
    /// grown by `max` bytes.
    ///
    /// # Errors
    /// What is malformed.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>, max: usize) -> Result<Decoded, &'static str> {
        let mut position = 0;
        let mut room = max;
        while let Some(byte) = input.get(position).copied() {
            if let State::Data { left } = self.state {
                if room == 0 {
                    break;
                }
                let available = (input.len() - position).min(room);
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(available);
                out.extend_from_slice(&input[position..position + take]);
                position += take;
                room -= take;
                let left = left - take as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                continue;
            }
            if self.state == State::Done {
                break;
            }
            self.state = self.step(byte)?;
            position += 1;
        }
        Ok(Decoded { consumed: position, done: self.state == State::Done })
    }

    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        match self.state {
            State::Size { value, digits } => self.size(byte, value, digits),
            State::Extension { length } => match byte {
                b'\r' => Ok(State::SizeLf { value: self.pending }),
                b'\t' | b' '..=b'~' | 0x80..=0xff if length < EXTENSION_MAX => {
                    Ok(State::Extension { length: length + 1 })
                }
                _ => Err("a chunk extension is too long or contains control characters"),
            },
            State::SizeLf { value } => match (byte, value) {
                (b'\n', 0) => Ok(State::Trailer),
                (b'\n', left) => Ok(State::Data { left }),
                _ => Err("a chunk size is not followed by CRLF"),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { value: 0, digits: 0 }),
            State::DataCr | State::DataLf => Err("chunk data is not followed by CRLF"),
            State::Trailer => self.trailer(byte),
            State::TrailerLf if byte == b'\n' => self.trailer_line(),
            State::TrailerLf => Err("a trailer contains a bare CR"),
            State::Data { .. } | State::Done => Ok(self.state),
        }
    }

    fn size(&mut self, byte: u8, value: u64, digits: u8) -> Result<State, &'static str> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if digits > 0 => return Ok(State::SizeLf { value }),
            b';' if digits > 0 => {
                self.pending = value;
                return Ok(State::Extension { length: 0 });
            }
            _ => return Err("a chunk size is not a hexadecimal number"),
        };
        if digits == DIGITS_MAX {
            return Err("a chunk size has too many digits");
        }
        Ok(State::Size { value: value * 16 + u64::from(digit), digits: digits + 1 })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, &'static str> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILERS_MAX {
            return Err("the trailers are too long");
        }
        match byte {
            b'\r' => Ok(State::TrailerLf),
            b'\n' | 0 => Err("a trailer contains a bare LF or a NUL byte"),
            _ => {
                self.trailer.push(byte);
                Ok(State::Trailer)
            }
        }
    }

    fn trailer_line(&mut self) -> Result<State, &'static str> {
        if self.trailer.is_empty() {
            return Ok(State::Done);
        }
        let valid = memchr::memchr(b':', &self.trailer)
            .is_some_and(|colon| head::is_token(&self.trailer[..colon]) && head::is_value(&self.trailer[colon + 1..]));
        self.trailer.clear();
        if valid { Ok(State::Trailer) } else { Err("a trailer is not a header line") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8]) -> Result<(Vec<u8>, Decoded), &'static str> {
        let mut out = Vec::new();
        let decoded = ChunkDecoder::new().decode(input, &mut out, usize::MAX)?;
        Ok((out, decoded))
    }

    #[test]
    fn chunks_are_joined_and_pipelined_bytes_left_alone() {
        let (out, decoded) = decode(b"4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\nT: x\r\n\r\nGET /").unwrap();
        assert_eq!(out, b"Wikipedia");
        assert_eq!(decoded, Decoded { consumed: 34, done: true });
    }

    #[test]
    fn the_result_does_not_depend_on_how_the_bytes_arrive() {
        let input = b"a\r\n0123456789\r\n1;x\r\n!\r\n000\r\nA: b\r\n\r\n";
        for step in 1..input.len() {
            let mut decoder = ChunkDecoder::new();
            let mut out = Vec::new();
            let mut done = false;
            for piece in input.chunks(step) {
                let decoded = decoder.decode(piece, &mut out, usize::MAX).unwrap();
                assert_eq!(decoded.consumed, piece.len());
                done = decoded.done;
            }
            assert!(done);
            assert_eq!(out, b"0123456789!");
        }
    }

    #[test]
    fn output_is_bounded_per_call() {
        let mut decoder = ChunkDecoder::new();
        let mut out = Vec::new();
        let decoded = decoder.decode(b"a\r\n0123456789\r\n0\r\n\r\n", &mut out, 4).unwrap();
        assert_eq!((out.as_slice(), decoded.done), (&b"0123"[..], false));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for input in [
            &b"4\nWiki\r\n"[..],
            b" 4\r\nWiki\r\n",
            b"4 \r\nWiki\r\n",
            b"+4\r\nWiki\r\n",
            b"0x4\r\nWiki\r\n",
            b"-1\r\n",
            b"\r\n",
            b";a\r\n",
            b"4\r\nWikipedia\r\n",
            b"4\r\nWiki\n",
            b"1000000000000000000000000004\r\nWiki\r\n",
            b"0000000000000000004\r\nWiki\r\n",
            b"4;a\nb\r\nWiki\r\n",
            b"4;\x00\r\nWiki\r\n",
            b"4\r\nWiki\r\n0\r\nno colon\r\n\r\n",
            b"4\r\nWiki\r\n0\r\nA: b\n\r\n",
            b"4\r\nWiki\r\n0\r\nA: \x01b\r\n\r\n",
        ] {
            assert!(decode(input).is_err(), "{:?}", String::from_utf8_lossy(input));
        }
        let long = [b"1;".to_vec(), vec![b'a'; 300], b"\r\nx\r\n0\r\n\r\n".to_vec()].concat();
        assert!(decode(&long).is_err());
        let trailers = [b"0\r\nA: ".to_vec(), vec![b'a'; 9000], b"\r\n\r\n".to_vec()].concat();
        assert!(decode(&trailers).is_err());
    }
}
