//! Reads a framed body from a connection, piece by piece, the same way for requests and responses.

use crate::chunked::ChunkDecoder;
use crate::framing::Framing;
use bytes::{Buf, BytesMut};
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Most bytes that one call to [`BodyReader::read`] yields.
pub(crate) const PIECE: usize = 64 * 1024;

/// A body being read.
#[derive(Debug)]
pub(crate) struct BodyReader {
    kind: Kind,
    /// Bytes of body read so far, without framing.
    pub(crate) received: u64,
}

#[derive(Debug)]
enum Kind {
    Done,
    Length(u64),
    Chunked(ChunkDecoder),
    UntilClose,
}

/// Why a body could not be read.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The chunks are malformed.
    #[error("{0}")]
    Malformed(&'static str),
    /// The sender stopped sending.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The connection ended early.
    #[error("the connection ended inside the body")]
    Truncated,
    /// The connection failed.
    #[error("the connection failed inside the body: {0}")]
    Io(#[from] io::Error),
}

impl BodyReader {
    /// A reader at the start of a body.
    pub(crate) fn new(framing: Framing) -> Self {
        let kind = match framing {
            Framing::Empty | Framing::Length(0) => Kind::Done,
            Framing::Length(length) => Kind::Length(length),
            Framing::Chunked => Kind::Chunked(ChunkDecoder::new()),
            Framing::UntilClose => Kind::UntilClose,
        };
        BodyReader { kind, received: 0 }
    }

    /// Whether the whole body was read.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.kind, Kind::Done)
    }

    /// Takes what `input` already holds, up to [`PIECE`] bytes, without reading from the connection.
    ///
    /// # Errors
    /// [`BodyError::Malformed`].
    pub(crate) fn take_buffered(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let before = out.len();
        let done = match &mut self.kind {
            Kind::Done => return Ok(()),
            Kind::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()).min(PIECE);
                out.extend_from_slice(&input[..take]);
                input.advance(take);
                *left -= take as u64;
                *left == 0
            }
            Kind::Chunked(decoder) => {
                let decoded = decoder.decode(input, out, PIECE).map_err(BodyError::Malformed)?;
                input.advance(decoded.consumed);
                decoded.done
            }
            Kind::UntilClose => {
                let take = input.len().min(PIECE);
                out.extend_from_slice(&input[..take]);
                input.advance(take);
                false
            }
        };
        if done {
            self.kind = Kind::Done;
        }
        self.received += (out.len() - before) as u64;
        Ok(())
    }

    /// Appends the next piece to `out`, waiting for it if need be. Appends nothing only at the end of
    /// the body.
    ///
    /// # Errors
    /// See [`BodyError`]. `patience` limits each wait.
    pub(crate) async fn read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        patience: Duration,
    ) -> Result<(), BodyError> {
        let before = out.len();
        loop {
            self.take_buffered(input, out)?;
            if out.len() > before || self.is_done() {
                return Ok(());
            }
            input.reserve(16 * 1024);
            let read = timeout(patience, stream.read_buf(input)).await.map_err(|_| BodyError::Timeout)??;
            if read == 0 {
                if matches!(self.kind, Kind::UntilClose) {
                    self.kind = Kind::Done;
                    return Ok(());
                }
                return Err(BodyError::Truncated);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(framing: Framing, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
        let mut reader = BodyReader::new(framing);
        let mut input = BytesMut::from(&bytes[..bytes.len() / 2]);
        let mut stream = &bytes[bytes.len() / 2..];
        let mut out = Vec::new();
        while !reader.is_done() {
            reader.read(&mut stream, &mut input, &mut out, Duration::from_secs(1)).await?;
        }
        input.extend_from_slice(stream);
        Ok((out, input.to_vec()))
    }

    #[tokio::test]
    async fn a_body_ends_where_its_framing_says() {
        let (body, rest) = read_all(Framing::Length(5), b"helloGET /").await.unwrap();
        assert_eq!((body.as_slice(), rest.as_slice()), (&b"hello"[..], &b"GET /"[..]));
        let (body, rest) = read_all(Framing::Chunked, b"5\r\nhello\r\n0\r\n\r\nGET /").await.unwrap();
        assert_eq!((body.as_slice(), rest.as_slice()), (&b"hello"[..], &b"GET /"[..]));
        let (body, _) = read_all(Framing::UntilClose, b"hello").await.unwrap();
        assert_eq!(body, b"hello");
    }

    #[tokio::test]
    async fn a_body_cut_short_is_an_error() {
        assert!(matches!(read_all(Framing::Length(9), b"hello").await, Err(BodyError::Truncated)));
        assert!(matches!(read_all(Framing::Chunked, b"5\r\nhello\r\n").await, Err(BodyError::Truncated)));
        assert!(matches!(read_all(Framing::Chunked, b"5\r\nhello!\r\n").await, Err(BodyError::Malformed(_))));
    }
}
