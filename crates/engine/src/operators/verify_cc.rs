//! `@verifyCC`: credit card numbers.

/// Whether the digits of a candidate pass the Luhn check (ISO/IEC 7812-1); bytes that are no digits
/// do not count, and no digits at all do not pass.
pub(crate) fn verify(candidate: &[u8]) -> bool {
    let digits = candidate.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let mut count = 0_u32;
    let mut sum = 0_u32;
    for digit in digits {
        let doubled = if count % 2 == 1 { digit * 2 } else { digit };
        sum = (sum + doubled / 10 + doubled % 10) % 10;
        count += 1;
    }
    count > 0 && sum == 0
}
