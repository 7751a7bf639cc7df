//! `t:parityEven7bit`, `t:parityOdd7bit` and `t:parityZero7bit`: the eighth bit set by the parity of
//! the byte, or cleared.

/// Maps every byte; `false` if that changed none.
fn map(input: &[u8], out: &mut Vec<u8>, change: impl Fn(u8) -> u8) -> bool {
    out.extend(input.iter().map(|&byte| change(byte)));
    out != input
}

/// The eighth bit makes the number of ones even.
pub(super) fn even(input: &[u8], out: &mut Vec<u8>) -> bool {
    map(input, out, |byte| if byte.count_ones() % 2 == 1 { byte | 0x80 } else { byte & 0x7f })
}

/// The eighth bit makes the number of ones odd.
pub(super) fn odd(input: &[u8], out: &mut Vec<u8>) -> bool {
    map(input, out, |byte| if byte.count_ones() % 2 == 0 { byte | 0x80 } else { byte & 0x7f })
}

/// The eighth bit is cleared.
pub(super) fn zero(input: &[u8], out: &mut Vec<u8>) -> bool {
    !input.is_ascii() && map(input, out, |byte| byte & 0x7f)
}
