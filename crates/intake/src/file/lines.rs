//! Whole lines out of an input, in chunks, with their places.

use std::io::{self, Read};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Longest line. What is over it is read over, and the line is handed on cut off.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Reads lines. The input is moved to a thread that may block for each read.
pub(super) struct Lines {
    input: Option<Box<dyn Read + Send>>,
    /// Bytes after the last whole line.
    partial: Vec<u8>,
    /// Place of the next byte to be read from the input.
    position: u64,
    /// The rest of a line that is too long is being read over.
    skipping: bool,
}

/// What one read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Whole lines, the place where they end, and whether the last one was cut off for its length.
    Lines { lines: Vec<u8>, end: u64, cut_off: bool },
    /// Nothing new; there may be later.
    End,
}

impl Lines {
    /// Lines of an input whose next byte has the place `position`.
    pub(super) fn new(input: Box<dyn Read + Send>, position: u64) -> Self {
        Lines { input: Some(input), partial: Vec::new(), position, skipping: false }
    }

    /// Place of the next byte to be read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next lines.
    pub(super) async fn next(&mut self) -> io::Result<Chunk> {
        loop {
            let (partial, read) = self.read().await?;
            if read == 0 {
                self.partial = partial;
                return Ok(Chunk::End);
            }
            if let Some(chunk) = self.split(partial, read) {
                return Ok(chunk);
            }
        }
    }

    /// The line at the end of an input that does not end with a line feed.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.partial)).filter(|rest| !rest.is_empty())
    }

    /// The partial line with what was read after it, and how much that is.
    async fn read(&mut self) -> io::Result<(Vec<u8>, usize)> {
        let mut buffer = std::mem::take(&mut self.partial);
        let input = self.input.take();
        let task = tokio::task::spawn_blocking(move || {
            let mut input = input.ok_or_else(|| io::Error::other("the input was lost by an earlier failure"))?;
            let start = buffer.len();
            buffer.resize(start + CHUNK_BYTES, 0);
            let read = loop {
                match input.read(&mut buffer[start..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    outcome => break outcome?,
                }
            };
            buffer.truncate(start + read);
            Ok::<_, io::Error>((input, buffer, read))
        });
        let (input, buffer, read) = task.await.map_err(io::Error::other)??;
        self.input = Some(input);
        self.position += read as u64;
        Ok((buffer, read))
    }

    /// Divides what there is into whole lines and the rest; `None` if no line is whole.
    fn split(&mut self, mut buffer: Vec<u8>, read: usize) -> Option<Chunk> {
        if self.skipping {
            let feed = memchr::memchr(b'\n', &buffer)?;
            self.skipping = false;
            buffer.drain(..=feed);
        }
        let fresh = buffer.len().saturating_sub(read);
        let Some(last) = memchr::memrchr(b'\n', &buffer[fresh..]).map(|at| fresh + at) else {
            if buffer.len() <= LINE_BYTES_MAX {
                self.partial = buffer;
                return None;
            }
            self.skipping = true;
            return Some(Chunk::Lines { lines: buffer, end: self.position, cut_off: true });
        };
        self.partial = buffer.split_off(last + 1);
        let end = self.position - self.partial.len() as u64;
        Some(Chunk::Lines { lines: buffer, end, cut_off: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: Vec<u8>) -> (Vec<Vec<u8>>, Option<Vec<u8>>, Vec<u64>) {
        let mut lines = Lines::new(Box::new(io::Cursor::new(text)), 0);
        let (mut found, mut ends) = (Vec::new(), Vec::new());
        while let Chunk::Lines { lines: chunk, end, .. } = lines.next().await.unwrap() {
            found.push(chunk);
            ends.push(end);
        }
        (found, lines.rest(), ends)
    }

    #[tokio::test]
    async fn a_line_is_handed_on_when_it_is_whole() {
        let (lines, rest, ends) = all(b"one\ntwo\nthr".to_vec()).await;
        assert_eq!((lines, rest, ends), (vec![b"one\ntwo\n".to_vec()], Some(b"thr".to_vec()), vec![8]));
    }

    #[tokio::test]
    async fn long_lines_span_chunks_and_longer_ones_are_cut_off() {
        let long = [vec![b'a'; CHUNK_BYTES * 3], b"\nshort\n".to_vec()].concat();
        let (lines, rest, _) = all(long.clone()).await;
        assert_eq!((lines.concat(), rest), (long, None));
        let (lines, _, ends) = all([vec![b'a'; LINE_BYTES_MAX * 2], b"\nshort\n".to_vec()].concat()).await;
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() > LINE_BYTES_MAX && lines[0].len() < LINE_BYTES_MAX + 2 * CHUNK_BYTES);
        assert_eq!((lines[1].as_slice(), ends[1]), (&b"short\n"[..], LINE_BYTES_MAX as u64 * 2 + 7));
    }
}
