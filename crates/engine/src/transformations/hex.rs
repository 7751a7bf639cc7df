//! `t:hexDecode`, `t:hexEncode`, and reading hexadecimal digits as libmodsecurity does.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of a hexadecimal digit.
pub(super) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that the two first bytes of `input` spell, if both are hexadecimal digits.
pub(crate) fn pair(input: &[u8]) -> Option<u8> {
    match *input {
        [high, low, ..] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

/// Appends the two lower-case digits of a byte.
pub(super) fn push(byte: u8, out: &mut Vec<u8>) {
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 0x0f)]);
}

/// Decodes pairs of digits; a last odd digit is dropped. Bytes that are no digits are computed with
/// like digits, as libmodsecurity's `x2c` does.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let value = |byte: u8| {
        if byte >= b'A' { (byte & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { byte.wrapping_sub(b'0') }
    };
    let (pairs, _) = input.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[high, low]| value(high).wrapping_mul(16).wrapping_add(value(low))));
    !input.is_empty()
}

/// Two lower-case digits for each byte.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(input.len() * 2);
    for &byte in input {
        push(byte, out);
    }
    !input.is_empty()
}
