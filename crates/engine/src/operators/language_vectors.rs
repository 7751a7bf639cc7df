//! The SecRules language vectors for operators that need no policy around them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::vectors;

/// What became of a vector.
enum Outcome {
    Matches(bool),
    /// The argument is an error when a policy is compiled.
    Refused,
    /// Run elsewhere, or not defined by a value alone.
    Elsewhere,
}

/// Every candidate that the operator's regular expression finds, put to its check.
fn candidates(pattern: &str, value: &[u8], verify: fn(&[u8]) -> bool) -> Outcome {
    let found = regex::bytes::Regex::new(pattern).unwrap().find_iter(value).any(|found| verify(found.as_bytes()));
    Outcome::Matches(found)
}

fn run(name: &str, param: &str, value: &[u8]) -> Outcome {
    let argument = param.as_bytes();
    let (left, right) = (numeric::parse(value), numeric::parse(argument));
    Outcome::Matches(match name {
        "beginsWith" => begins_with::matches(argument, value),
        "contains" => contains::matches(argument, value),
        "containsWord" => contains_word::matches(argument, value),
        "detectSQLi" => detect_sqli::detect(value).is_some(),
        "detectXSS" => detect_xss::detect(value),
        "endsWith" => ends_with::matches(argument, value),
        "eq" => left == right,
        "ge" => left >= right,
        "gt" => left > right,
        "le" => left <= right,
        "lt" => left < right,
        "ipMatch" => match IpMatch::compile(argument) {
            Ok(set) => set.matches(value),
            Err(_) => return Outcome::Refused,
        },
        "noMatch" => false,
        "streq" => str_eq::matches(argument, value),
        "strmatch" => str_match::matches(argument, value),
        "unconditionalMatch" => true,
        "validateByteRange" => match ValidateByteRange::compile(argument) {
            Ok(range) => range.matches(value),
            Err(_) => return Outcome::Refused,
        },
        "validateUrlEncoding" => validate_url_encoding::matches(value),
        "validateUtf8Encoding" => validate_utf8_encoding::matches(value),
        "verifyCC" => return candidates(param, value, verify_cc::verify),
        "verifycpf" => return candidates(param, value, verify_cpf::verify),
        "verifyssn" => return candidates(param, value, verify_ssn::verify),
        "verifysvnr" => return candidates(param, value, verify_svnr::verify),
        "within" => within::matches(argument, value),
        _ => return Outcome::Elsewhere,
    })
}

#[test]
fn the_language_vectors_of_pure_operators_hold() {
    let Some(cases) = vectors::read("operators", "the_language_vectors_of_pure_operators_hold") else { return };
    let mut failures = Vec::new();
    let mut refused = Vec::new();
    let mut elsewhere: BTreeMap<String, usize> = BTreeMap::new();
    let mut ran = 0;
    for case in &cases {
        let text = |key: &str| case.value.get(key).and_then(Value::as_str).unwrap_or_default();
        let expected = case.value["ret"].as_i64() == Some(1);
        let name = text("name");
        match run(name, text("param"), &vectors::bytes(text("input"))) {
            Outcome::Matches(actual) => {
                ran += 1;
                if actual != expected {
                    failures.push(format!("{}: {} should be {expected}", case.place, case.value));
                }
            }
            Outcome::Refused => refused.push(case.place.clone()),
            Outcome::Elsewhere => *elsewhere.entry(name.to_owned()).or_default() += 1,
        }
    }
    assert!(failures.is_empty(), "{} of {ran} failed:\n{}", failures.len(), failures.join("\n"));
    // A prefix of 100 bits in IPv4, and arguments that are no byte ranges: errors when a policy loads.
    assert_eq!(
        refused,
        ["ipMatch.json[16]", "validateByteRange.json[1]", "validateByteRange.json[2]", "validateByteRange.json[3]"]
    );
    let expected = [("geoLookup", 5), ("pm", 15), ("pmFromFile", 6), ("rx", 20), ("rxGlobal", 21)];
    assert_eq!(elsewhere.into_iter().collect::<Vec<_>>(), expected.map(|(name, count)| (name.to_owned(), count)));
    assert_eq!((ran, cases.len()), (3884, 3955));
}
