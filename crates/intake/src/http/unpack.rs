//! Whole lines out of the parts of a body, unpacked.

use flate2::write::MultiGzDecoder;
use std::io::Write;
use thiserror::Error;

/// Longest line.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Why a body cannot be unpacked.
#[derive(Debug, Error)]
pub(super) enum Damaged {
    #[error("the gzip data is damaged: {0}")]
    Packing(std::io::Error),
    #[error("the body has more than {0} bytes when it is unpacked")]
    Size(u64),
    #[error("a line has more than {0} bytes")]
    Line(usize),
}

/// Unpacks a body part by part.
pub(super) struct Unpack {
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    /// Unpacked bytes that are no whole line yet.
    rest: Vec<u8>,
    left: u64,
    max: u64,
}

impl Unpack {
    /// Of a body that is not packed, of `max` bytes at most.
    pub(super) fn plain(max: u64) -> Self {
        Unpack { gzip: None, rest: Vec::new(), left: max, max }
    }

    /// Of a body packed with gzip, which unpacks to `max` bytes at most.
    pub(super) fn gzip(max: u64) -> Self {
        Unpack { gzip: Some(MultiGzDecoder::new(Vec::new())), ..Unpack::plain(max) }
    }

    /// Takes a part and returns the lines that are whole now.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<Vec<u8>, Damaged> {
        match &mut self.gzip {
            None => self.keep(part)?,
            // In small pieces, so that a bomb is noticed before it fills the memory.
            Some(_) => {
                for piece in part.chunks(4096) {
                    let Some(gzip) = &mut self.gzip else { break };
                    gzip.write_all(piece).map_err(Damaged::Packing)?;
                    let text = std::mem::take(gzip.get_mut());
                    self.keep(&text)?;
                }
            }
        }
        let end = memchr::memrchr(b'\n', &self.rest).map_or(0, |last| last + 1);
        let rest = self.rest.split_off(end);
        if rest.len() > LINE_BYTES_MAX {
            return Err(Damaged::Line(LINE_BYTES_MAX));
        }
        Ok(std::mem::replace(&mut self.rest, rest))
    }

    /// The end of the body: what is left, which may be a line without an end.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, Damaged> {
        if let Some(gzip) = self.gzip.take() {
            let text = gzip.finish().map_err(Damaged::Packing)?;
            self.keep(&text)?;
        }
        Ok(self.rest)
    }

    fn keep(&mut self, text: &[u8]) -> Result<(), Damaged> {
        self.left = self.left.checked_sub(text.len() as u64).ok_or(Damaged::Size(self.max))?;
        self.rest.extend_from_slice(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn lines_come_whole_however_the_body_is_cut() {
        let text = b"one\ntwo\nthree";
        for (body, gzip) in [(text.to_vec(), false), ([packed(b"one\ntw"), packed(b"o\nthree")].concat(), true)] {
            for size in 1..body.len() {
                let mut unpack = if gzip { Unpack::gzip(100) } else { Unpack::plain(100) };
                let mut lines = Vec::new();
                for part in body.chunks(size) {
                    let whole = unpack.push(part).unwrap();
                    assert!(whole.is_empty() || whole.ends_with(b"\n"));
                    lines.extend(whole);
                }
                lines.extend(unpack.finish().unwrap());
                assert_eq!(lines, text);
            }
        }
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = packed(&vec![b'\n'; 10 << 20]);
        let mut unpack = Unpack::gzip(1 << 20);
        assert!(matches!(unpack.push(&bomb), Err(Damaged::Size(_))));
        assert!(matches!(Unpack::gzip(100).push(b"not gzip at all"), Err(Damaged::Packing(_))));
        let mut cut = Unpack::gzip(100);
        let whole = packed(b"one\ntwo\n");
        cut.push(&whole[..whole.len() - 6]).unwrap();
        assert!(cut.finish().is_err());
    }
}
