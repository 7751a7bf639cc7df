//! `@validateNid` of Coraza: national identifiers, of Chile (`cl`) and of the United States (`us`).

use super::Checksum;

/// The country's check and the pattern that finds candidates, from an argument such as `cl \d{7,8}-[\dk]`.
pub(crate) fn parse(argument: &[u8]) -> Result<(Checksum, &[u8]), String> {
    let argument = argument.trim_ascii();
    let end = argument.iter().position(u8::is_ascii_whitespace).unwrap_or(argument.len());
    let (country, pattern) = argument.split_at(end);
    let pattern = pattern.trim_ascii_start();
    if pattern.is_empty() {
        return Err("@validateNid needs a country and a pattern, as in @validateNid cl \\d{7,8}-[\\dkK]".to_owned());
    }
    match country {
        b"cl" => Ok((Checksum::Rut, pattern)),
        b"us" => Ok((Checksum::Ssn, pattern)),
        other => Err(format!("`{}` is no country of @validateNid: cl and us are", other.escape_ascii())),
    }
}

/// Whether the last digit of a Chilean RUT, or its `k`, is the check digit of the others; at least
/// eight characters in all.
pub(super) fn verify_rut(candidate: &[u8]) -> bool {
    let digits: Vec<u8> =
        candidate.iter().map(u8::to_ascii_lowercase).filter(|byte| byte.is_ascii_digit() || *byte == b'k').collect();
    let Some((check, number)) = digits.split_last() else { return false };
    if candidate.len() < 8 || number.is_empty() || number.contains(&b'k') {
        return false;
    }
    let weights = [2, 3, 4, 5, 6, 7].into_iter().cycle();
    let sum: u32 = number.iter().rev().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let expected = match sum % 11 {
        0 => b'0',
        1 => b'k',
        rest => b'0' + (11 - rest) as u8,
    };
    *check == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_decides() {
        for valid in ["11.111.111-1", "12.345.678-5", "5126663-3", "10.000.013-K", "10000013k"] {
            assert!(verify_rut(valid.as_bytes()), "{valid}");
        }
        for wrong in ["11.111.111-2", "12.345.678-k", "", "k", "1-9", "kkkkkkkk", "abc"] {
            assert!(!verify_rut(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn the_argument_names_a_country_and_a_pattern() {
        assert_eq!(parse(br"us \d{9}"), Ok((Checksum::Ssn, &br"\d{9}"[..])));
        assert!(parse(b"cl").is_err());
        assert!(parse(br"de \d+").unwrap_err().contains("cl and us"));
    }
}
