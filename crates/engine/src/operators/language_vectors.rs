//! The SecRules language vectors for operators, also what patterns capture.

use serde_json::Value;

use super::*;
use crate::vectors;

#[path = "../../tests/rule_language/maxmind.rs"]
mod maxmind;

/// Vectors in each file.
#[rustfmt::skip]
const FILES: [(&str, usize); 29] = [
    ("beginsWith", 6), ("contains", 10), ("containsWord", 15), ("detectSQLi", 3), ("detectXSS", 3),
    ("endsWith", 7), ("eq", 13), ("ge", 12), ("geoLookup", 5), ("gt", 12),
    ("ipMatch", 3623), ("le", 12), ("lt", 12), ("noMatch", 3), ("pm", 15),
    ("pmFromFile", 6), ("rx", 20), ("rxGlobal", 21), ("streq", 7), ("strmatch", 5),
    ("unconditionalMatch", 3), ("validateByteRange", 8), ("validateUrlEncoding", 14), ("validateUtf8Encoding", 32), ("verifyCC", 69),
    ("verifycpf", 3), ("verifyssn", 5), ("verifysvnr", 4), ("within", 7),
];

/// What became of a vector.
enum Outcome {
    Matches(bool),
    /// The argument is an error when a policy is compiled.
    Refused,
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
        // None of the vectors' addresses is in the database; a test of the rule language finds one that is.
        "geoLookup" => GeoLookup::open(maxmind::database()).unwrap().find(value).is_some(),
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
        "pm" => Pm::compile(argument).unwrap().find(value).is_some(),
        "pmFromFile" => phrases(param).find(value).is_some(),
        "rx" | "rxGlobal" => Rx::compile(argument).unwrap().is_match(value).unwrap(),
        _ => panic!("an operator without a way to run it: {name}"),
    })
}

/// The phrases of a file that lies beside the vectors.
fn phrases(path: &str) -> Pm {
    let name = path.rsplit('/').next().unwrap();
    let folder = vectors::data("phrases").unwrap().join("secrules-vectors/operators/op");
    Pm::compile_file(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// What `capture` stores for a pattern: the vector's `re_groups`.
fn groups(name: &str, param: &str, value: &[u8]) -> Vec<Vec<u8>> {
    let rx = Arc::new(Rx::compile(param.as_bytes()).unwrap());
    let operator = if name == "rx" { Operator::Rx(rx) } else { Operator::RxGlobal(rx) };
    let mut captures = Captures::default();
    operator.captures(b"", value, &mut captures);
    (0..captures.len()).map(|group| captures.get(group, value).unwrap_or_default().to_vec()).collect()
}

#[test]
fn the_language_vectors_hold() {
    let Some(cases) = vectors::read("operators", "the_language_vectors_hold") else { return };
    let mut failures = Vec::new();
    let mut refused = Vec::new();
    let mut ran = 0;
    let mut with_groups = 0;
    for case in &cases {
        let text = |key: &str| case.value.get(key).and_then(Value::as_str).unwrap_or_default();
        let expected = case.value["ret"].as_i64() == Some(1);
        let name = text("name");
        match run(name, text("param"), &vectors::bytes(text("input"))) {
            Outcome::Matches(actual) => {
                ran += 1;
                if let Some(list) = case.value.get("re_groups").and_then(Value::as_array) {
                    with_groups += 1;
                    let list: Vec<&[u8]> = list.iter().map(|group| group.as_str().unwrap().as_bytes()).collect();
                    let mut found = groups(name, text("param"), &vectors::bytes(text("input")));
                    if name == "rxGlobal" {
                        // Some of these list the groups of the first match only.
                        found.truncate(list.len());
                    }
                    assert_eq!(found, list, "{}", case.place);
                }
                if actual != expected {
                    failures.push(format!("{}: {} should be {expected}", case.place, case.value));
                }
            }
            Outcome::Refused => refused.push(case.place.clone()),
        }
    }
    assert!(failures.is_empty(), "{} of {ran} failed:\n{}", failures.len(), failures.join("\n"));
    // A prefix of 100 bits in IPv4, and arguments that are no byte ranges: errors when a policy loads.
    assert_eq!(
        refused,
        ["ipMatch.json[16]", "validateByteRange.json[1]", "validateByteRange.json[2]", "validateByteRange.json[3]"]
    );
    assert_eq!(vectors::per_file(&cases), FILES);
    assert_eq!((ran, with_groups, cases.len()), (3951, 25, 3955));
}
