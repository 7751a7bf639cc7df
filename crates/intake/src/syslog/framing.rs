//! Messages out of a stream of bytes (RFC 6587): `LENGTH SP message`, or `message LF`.

use thiserror::Error;

/// Longest message; longer ones that end with a line feed are cut off.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Digits of the longest length.
const DIGITS_MAX: usize = 8;

/// The stream cannot be understood any more.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Broken {
    #[error("a message begins with digits that are no length")]
    Length,
    #[error("a message of {0} bytes is over the limit")]
    Size(usize),
}

/// Takes bytes as they come and finds messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    rest: Vec<u8>,
    /// Bytes of the rest in which no line feed is.
    searched: usize,
    /// The rest of a line that is too long is read over.
    skipping: bool,
}

impl Frames {
    /// Takes bytes and gives each message that is whole now.
    pub(super) fn push(&mut self, bytes: &[u8], mut message: impl FnMut(&[u8])) -> Result<(), Broken> {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let rest = &self.rest[start..];
            match rest.first() {
                Some(b'1'..=b'9') if !self.skipping => match counted(rest)? {
                    Some((from, to)) if to <= rest.len() => {
                        message(&rest[from..to]);
                        start += to;
                    }
                    _ => break,
                },
                Some(_) => {
                    let Some(end) = memchr::memchr(b'\n', &rest[self.searched..]).map(|at| self.searched + at) else {
                        self.searched = rest.len();
                        if rest.len() > MESSAGE_BYTES_MAX {
                            if !std::mem::replace(&mut self.skipping, true) {
                                message(rest);
                            }
                            start = self.rest.len();
                            self.searched = 0;
                        }
                        break;
                    };
                    if !std::mem::take(&mut self.skipping) {
                        message(&rest[..end]);
                    }
                    start += end + 1;
                    self.searched = 0;
                }
                None => break,
            }
        }
        self.rest.drain(..start);
        Ok(())
    }

    /// The end of the stream: a line that was not ended is a message.
    pub(super) fn finish(self, mut message: impl FnMut(&[u8])) {
        if !self.skipping && !matches!(self.rest.first(), None | Some(b'0'..=b'9')) {
            message(&self.rest);
        }
    }
}

/// Where a counted message lies; `None` if its length is not whole yet.
fn counted(bytes: &[u8]) -> Result<Option<(usize, usize)>, Broken> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return Err(Broken::Length);
    }
    match bytes.get(digits) {
        None => Ok(None),
        Some(b' ') => {
            let text = std::str::from_utf8(&bytes[..digits]).map_err(|_| Broken::Length)?;
            let length: usize = text.parse().map_err(|_| Broken::Length)?;
            if length > MESSAGE_BYTES_MAX {
                Err(Broken::Size(length))
            } else {
                Ok(Some((digits + 1, digits + 1 + length)))
            }
        }
        Some(_) => Err(Broken::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], size: usize) -> Result<Vec<String>, Broken> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        let mut keep = |message: &[u8]| found.push(String::from_utf8_lossy(message).into_owned());
        for part in stream.chunks(size) {
            frames.push(part, &mut keep)?;
        }
        frames.finish(&mut keep);
        Ok(found)
    }

    #[test]
    fn both_framings_are_read_however_the_stream_is_cut() {
        let stream = b"9 <13>a\nb x<13>line\n<14>other\n5 <1> z<15>last";
        for size in 1..stream.len() {
            assert_eq!(all(stream, size).unwrap(), ["<13>a\nb x", "<13>line", "<14>other", "<1> z", "<15>last"]);
        }
    }

    #[test]
    fn what_has_no_length_ends_the_stream_and_long_lines_are_cut_off() {
        assert_eq!(all(b"12x<13>", 100), Err(Broken::Length));
        assert_eq!(all(b"123456789 <13>", 100), Err(Broken::Length));
        assert_eq!(all(b"99999999 <13>", 100), Err(Broken::Size(99_999_999)));
        let long = [b"<13>".as_slice(), &vec![b'x'; MESSAGE_BYTES_MAX * 2], b"\n<13>next\n"].concat();
        let found = all(&long, 1 << 20).unwrap();
        assert_eq!((found.len(), found[1].as_str()), (2, "<13>next"));
        assert!(found[0].len() > MESSAGE_BYTES_MAX && found[0].len() < MESSAGE_BYTES_MAX + (2 << 20));
    }
}
