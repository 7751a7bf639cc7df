//! What a file is recognised by when its name and even its inode have changed: its first bytes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Bytes looked at. A record at the beginning of a log has its time and id within them.
pub(super) const HEAD_BYTES: usize = 1024;

/// The first bytes of a file, as a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    bytes: usize,
    sha256: String,
}

impl Head {
    /// Of the first [`HEAD_BYTES`] of an input, or of all it has.
    pub(super) fn read(input: impl Read) -> io::Result<(Head, Vec<u8>)> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        input.take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
        Ok((Head::of(&bytes), bytes))
    }

    fn of(bytes: &[u8]) -> Head {
        Head { bytes: bytes.len(), sha256: hex::encode(&Sha256::digest(bytes)[..16]) }
    }

    /// Whether a file that begins with `bytes` can be the one that this head is of: it is the same
    /// now, or it has only grown.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        self.bytes > 0 && bytes.get(..self.bytes).is_some_and(|bytes| Head::of(bytes) == *self)
    }

    /// Nothing was in the file when it was looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// A longer head would say more.
    pub(super) fn is_short(&self) -> bool {
        self.bytes < HEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grew_is_the_same_and_another_is_not() {
        let (head, _) = Head::read(&b"one\ntwo\n"[..]).unwrap();
        assert!(head.matches(b"one\ntwo\n") && head.matches(b"one\ntwo\nthree\n"));
        assert!(!head.matches(b"one\n") && !head.matches(b"six\ntwo\nthree\n"));
        assert!(head.is_short() && !head.is_empty());
        assert!(!Head::default().matches(b"one"));
    }
}
