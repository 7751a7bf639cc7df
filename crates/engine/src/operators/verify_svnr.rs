//! `@verifySVNR`: Austrian social security numbers.

use super::verify_ssn::digits;

/// Whether the fourth of the first ten digits of a candidate is the check digit of the others.
pub(crate) fn verify(candidate: &[u8]) -> bool {
    let Some(svnr) = digits::<10>(candidate) else { return false };
    if svnr.windows(2).all(|pair| pair[0] == pair[1]) || svnr.windows(2).all(|pair| (pair[0] + 1) % 10 == pair[1]) {
        return false;
    }
    let weights = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let sum: u32 = svnr.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    sum % 11 % 10 == svnr[3]
}
