//! `t:md5`, `t:sha1` (raw digests) and `t:length` (decimal).

use md5::{Digest, Md5};
use sha1::Sha1;

/// The MD5 digest, 16 raw bytes.
pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&Md5::digest(input));
    out != input
}

/// The SHA-1 digest, 20 raw bytes.
pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&Sha1::digest(input));
    out != input
}

/// The number of bytes, in decimal.
pub(super) fn length(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(input.len().to_string().as_bytes());
    out != input
}
