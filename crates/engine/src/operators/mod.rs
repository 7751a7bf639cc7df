//! Operators: the tests of rules.

mod begins_with;
mod contains;
mod contains_word;
mod detect_sqli;
mod detect_xss;
mod ends_with;
mod ip_match;
mod numeric;
mod str_eq;
mod str_match;
mod validate_byte_range;
mod validate_url_encoding;
mod validate_utf8_encoding;
mod verify_cc;
mod verify_cpf;
mod verify_ssn;
mod verify_svnr;
mod within;

#[cfg(test)]
mod language_vectors;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {detect_sqli::detect as detect_sqli, detect_xss::detect as detect_xss};
