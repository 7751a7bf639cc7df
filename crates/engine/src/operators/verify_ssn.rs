//! `@verifySSN`: United States social security numbers.

/// Whether the first nine digits of a candidate are a number that has been assigned before 2011: area
/// below 740 and not 666, no group of zeros, neither one repeated digit nor 123456789.
pub(crate) fn verify(candidate: &[u8]) -> bool {
    let Some(ssn) = digits::<9>(candidate) else { return false };
    let pairs = || ssn.windows(2);
    if pairs().all(|pair| pair[0] == pair[1]) || pairs().all(|pair| pair[0] + 1 == pair[1]) {
        return false;
    }
    let number = |digits: &[u32]| digits.iter().fold(0, |number, digit| number * 10 + digit);
    let (area, group, serial) = (number(&ssn[..3]), number(&ssn[3..5]), number(&ssn[5..]));
    area != 0 && area < 740 && area != 666 && group != 0 && serial != 0
}

/// The first `N` digits of a candidate, if it has so many.
pub(super) fn digits<const N: usize>(candidate: &[u8]) -> Option<[u32; N]> {
    let mut found = candidate.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let mut digits = [0; N];
    for digit in &mut digits {
        *digit = found.next()?;
    }
    Some(digits)
}
