//! `@verifyCPF`: Brazilian taxpayer numbers.

use super::verify_ssn::digits;

/// Whether the first eleven digits of a candidate end with the two check digits of the other nine;
/// numbers of one repeated digit and 01234567890 do not pass.
pub(crate) fn verify(candidate: &[u8]) -> bool {
    let Some(cpf) = digits::<11>(candidate) else { return false };
    if cpf.windows(2).all(|pair| pair[0] == pair[1]) || cpf == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0] {
        return false;
    }
    check_digit(&cpf[..9]) == cpf[9] && check_digit(&cpf[..10]) == cpf[10]
}

/// The digits weighted by the numbers down to 2, modulo 11.
fn check_digit(digits: &[u32]) -> u32 {
    let sum: u32 = digits.iter().rev().zip(2..).map(|(digit, weight)| digit * weight).sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}
