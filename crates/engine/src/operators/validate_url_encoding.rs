//! `@validateUrlEncoding`.

use memchr::memchr_iter;

use crate::transformations::hex;

/// Whether a `%` of the value is not followed by two hexadecimal digits.
pub(crate) fn matches(value: &[u8]) -> bool {
    memchr_iter(b'%', value).any(|at| hex::pair(&value[at + 1..]).is_none())
}
