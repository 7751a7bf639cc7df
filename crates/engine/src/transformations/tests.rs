//! The SecRules language vectors, and properties that hold for every transformation.

use serde_json::Value;

use super::*;
use crate::vectors;

/// Vectors in each file.
#[rustfmt::skip]
const FILES: [(&str, usize); 35] = [
    ("base64Decode", 6), ("base64DecodeExt", 6), ("base64Encode", 5), ("cmdLine", 6), ("compressWhitespace", 6),
    ("cssDecode", 6), ("escapeSeqDecode", 14), ("hexDecode", 7), ("hexEncode", 3), ("htmlEntityDecode", 8),
    ("jsDecode", 15), ("length", 4), ("lowercase", 5), ("md5", 5), ("normalisePath", 31),
    ("normalisePathWin", 31), ("parityEven7bit", 4), ("parityOdd7bit", 4), ("parityZero7bit", 4), ("phpArgsNames", 13),
    ("removeComments", 21), ("removeCommentsChar", 21), ("removeNulls", 8), ("removeWhitespace", 5), ("replaceComments", 21),
    ("replaceNulls", 7), ("sha1", 3), ("sqlHexDecode", 1), ("trim", 9), ("trimLeft", 9),
    ("trimRight", 9), ("urlDecode", 19), ("urlDecodeUni", 32), ("urlEncode", 21), ("utf8toUnicode", 7),
];

fn result(transformation: Transformation, input: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee; 3];
    if apply(transformation, input, &mut out) { out } else { input.to_vec() }
}

/// The vectors were made without a Unicode map, which is how they are run.
fn result_without_map(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if url_decode_uni::decode(input, &mut out, |_| None) { out } else { input.to_vec() }
}

/// Names in the vectors that are not those of the manual.
fn transformation(name: &str) -> Transformation {
    match name {
        "cmd_line" => Transformation::CmdLine,
        "normalisePath" => Transformation::NormalizePath,
        "normalisePathWin" => Transformation::NormalizePathWin,
        name => Transformation::from_name(name.as_bytes()).unwrap_or_else(|| panic!("unknown transformation {name}")),
    }
}

#[test]
fn the_language_vectors_hold() {
    let Some(cases) = vectors::read("transformations", "the_language_vectors_hold") else { return };
    let mut failures = Vec::new();
    for case in &cases {
        let text = |key: &str| vectors::bytes(case.value.get(key).and_then(Value::as_str).unwrap());
        let (mut input, expected) = (text("input"), text("output"));
        if case.place == "cssDecode.json[3]" {
            // The file has NUL bytes where the test it was converted from has the escape `\0`.
            input.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'0');
        }
        let kind = transformation(case.value["name"].as_str().unwrap());
        let actual = match kind {
            Transformation::UrlDecodeUni => result_without_map(&input),
            kind => result(kind, &input),
        };
        if actual != expected {
            failures.push(format!(
                "{}: {} -> {}, expected {}",
                case.place,
                input.escape_ascii(),
                actual.escape_ascii(),
                expected.escape_ascii()
            ));
        }
    }
    assert_eq!(vectors::per_file(&cases), FILES);
    assert_eq!(cases.len(), 376);
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn true_is_returned_only_for_a_difference() {
    for &kind in Transformation::ALL {
        for input in [
            &b""[..],
            b"a",
            b"A",
            b" ",
            b"%",
            b"\\",
            b"&",
            b"<",
            b"/",
            b".",
            b"0",
            b"=",
            b"\0",
            b"\xff",
            b"-",
            b"[",
            b"  ",
            b"..",
        ] {
            let mut out = vec![1, 2, 3];
            if apply(kind, input, &mut out) {
                assert_ne!(out, input, "{} of {}", kind.name(), input.escape_ascii());
            }
        }
    }
}

#[test]
fn full_width_and_best_fit_characters_become_ascii() {
    assert_eq!(result(Transformation::UrlDecodeUni, b"%uff1cscript%uff1e"), b"<script>");
    assert_eq!(result(Transformation::UrlDecodeUni, b"%u2039script%u203a %u02b9"), b"<script> '");
    assert_eq!(result(Transformation::UrlDecodeUni, b"%uff1f%u4e41"), b"?A");
    assert_eq!(result(Transformation::JsDecode, b"\\uff1cb"), b"<b");
    assert_eq!(result(Transformation::CssDecode, b"\\00ff1c b"), b"<b");
}

#[test]
fn an_entity_with_leading_zeros_is_decoded() {
    let long = [b"&#x".as_slice(), &b"0".repeat(100_000), b"3c;b"].concat();
    assert_eq!(result(Transformation::HtmlEntityDecode, &long), b"<b");
    assert_eq!(result(Transformation::HtmlEntityDecode, b"&#99999999999999999999;"), b"\xff");
    assert_eq!(result(Transformation::HtmlEntityDecode, b"&#x13c;&LT;b&LTb&nbspx"), b"<<b&LTb&nbspx");
}

#[test]
fn one_byte_and_empty_inputs_are_safe_for_every_transformation() {
    for &kind in Transformation::ALL {
        result(kind, b"");
        for byte in 0..=255 {
            result(kind, &[byte]);
        }
        for high in 0..=255 {
            for low in 0..=255 {
                result(kind, &[high, low]);
            }
        }
    }
}

#[test]
fn overlong_and_truncated_utf8_is_not_lost_silently() {
    assert_eq!(result(Transformation::Utf8ToUnicode, b"\xc0\xaf"), b"%u002f\xc0");
    assert_eq!(result(Transformation::Utf8ToUnicode, "é<😀".as_bytes()), b"%u00e9<%u1f600");
    assert_eq!(result(Transformation::Utf8ToUnicode, b"a\xe2\x82"), b"a\x82");
    assert_eq!(result(Transformation::Utf8ToUnicode, b"a\xffb"), b"a\xffb");
}

#[test]
fn base64_with_foreign_bytes_is_decoded_up_to_them() {
    assert_eq!(result(Transformation::Base64Decode, b"PHNjcmlwdD4=!!"), b"<script>");
    assert_eq!(result(Transformation::Base64Decode, b"PHNjcmlwdD4"), b"<script>");
    assert_eq!(result(Transformation::Base64DecodeExt, b"P.HNjcm lwdD4"), b"<script>");
}

#[test]
fn windows_separators_all_become_slashes() {
    assert_eq!(result(Transformation::NormalizePathWin, b"a\\\\\\b"), b"a/b");
    assert_eq!(result(Transformation::NormalizePathWin, b"..\\..\\etc\\.\\passwd"), b"../../etc/passwd");
}
