//! Goes over a text eight bytes at a time, and tells where keys of literals may end.

/// Bits that tell a byte from others in an ending.
pub(super) const CODE_BITS: u32 = 5;
/// Endings: codes of three bytes.
pub(super) const ENDINGS: usize = 1 << (3 * CODE_BITS);

/// Each byte in lower case.
pub(super) const LOWER: [u8; 256] = {
    let mut lower = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        lower[byte] = (byte as u8).to_ascii_lowercase();
        byte += 1;
    }
    lower
};

/// The codes of bytes: letters have their own, in either case, the others share what is left.
const CODES: [u8; 256] = {
    let mut codes = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        codes[byte] = match LOWER[byte] {
            letter @ b'a'..=b'z' => letter - b'a' + 1,
            b'0'..=b'9' => 27,
            b' ' => 28,
            b'.' | b',' => 29,
            b'-' | b'_' | b'/' => 30,
            b'=' | b':' | b'&' | b'%' | b'+' => 31,
            _ => 0,
        };
        byte += 1;
    }
    codes
};

/// The codes of a text with one more byte; the last three are its ending.
#[inline]
pub(super) fn with_code(codes: usize, byte: u8) -> usize {
    codes << CODE_BITS | usize::from(CODES[usize::from(byte)])
}

/// Bits of an ending: a key of two, three, four, six bytes ends so, and one of four, of six bytes begins so.
pub(super) const ENDS_FOUR: u8 = 1 << 2;
pub(super) const ENDS_SIX: u8 = 1 << 3;
pub(super) const BEGINS_FOUR: u8 = 1 << 4;
pub(super) const BEGINS_SIX: u8 = 1 << 5;

/// A bit in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// Where a pass is: the last bytes of the text up to there.
#[derive(Default)]
pub(super) struct Pass {
    /// The eight bytes before the last eight, and those, in lower case.
    bytes: [u64; 2],
    codes: usize,
    /// What the table says of the endings at the last eight bytes.
    endings: u64,
}

impl Pass {
    /// Goes on by eight bytes: which kinds of keys may end at each, a byte of bits for each.
    #[inline]
    pub(super) fn advance(&mut self, chunk: [u8; 8], endings: &[u8; ENDINGS]) -> u64 {
        let mut now = 0;
        for (place, byte) in chunk.into_iter().enumerate() {
            self.codes = with_code(self.codes, byte);
            now |= u64::from(endings[self.codes % ENDINGS]) << (8 * place);
        }
        let before = std::mem::replace(&mut self.endings, now);
        self.bytes = [self.bytes[1], lower(u64::from_be_bytes(chunk))];
        // Longer keys must also have begun, one byte or three before their ending.
        let (one_before, three_before) = (now << 8 | before >> 56, now << 24 | before >> 40);
        let short = now & (u64::from(ENDS_FOUR - 1) * ONES);
        let four = now & one_before >> 2 & (u64::from(ENDS_FOUR) * ONES);
        let six = now & three_before >> 2 & (u64::from(ENDS_SIX) * ONES);
        short | four | six
    }

    /// The eight bytes up to a place among the last eight.
    #[inline]
    pub(super) fn last(&self, place: usize) -> u64 {
        let [before, now] = self.bytes;
        ((u128::from(before) << 64 | u128::from(now)) >> (8 * (7 - place % 8))) as u64
    }
}

/// Eight bytes in lower case.
#[inline]
pub(crate) fn lower(bytes: u64) -> u64 {
    let ascii = bytes & (0x7f * ONES);
    let from_a = ascii + (0x80 - b'A' as u64) * ONES;
    let beyond_z = ascii + (0x7f - b'Z' as u64) * ONES;
    let upper = (from_a ^ beyond_z) & !bytes & (0x80 * ONES);
    bytes | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_become_lower_case_at_once() {
        for byte in 0..=255u8 {
            for other in [0, b'A', b'Z', b'[', 0x7f, 0x80, 0xc1, 0xff] {
                let bytes = [byte, other, byte, byte, other, other, byte, other];
                assert_eq!(lower(u64::from_be_bytes(bytes)).to_be_bytes(), bytes.map(|b| b.to_ascii_lowercase()));
            }
        }
    }
}
