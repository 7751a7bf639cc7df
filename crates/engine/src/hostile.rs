//! Hostile inputs, each known from an advisory against an engine of this kind, put to the parsers,
//! transformations and operators. The numbers are those of the list of such inputs that engines are
//! checked against; the rows that need rules are in `tests/hostile.rs`, those of the framing of HTTP
//! among the gateway's tests.

use std::time::{Duration, Instant};

use parapet_seclang::ast::Transformation;

use crate::body::multipart::{self, Limits, MultipartOutcome};
use crate::body::{json, xml};
use crate::transformations;

/// Far more than linear work on a megabyte takes, far less than quadratic work does.
const PATIENCE: Duration = Duration::from_secs(10);

fn multipart(body: &str) -> MultipartOutcome {
    let limits = Limits { parts: 1000, files: 100 };
    multipart::parse(body.replace('\n', "\r\n").as_bytes(), b"multipart/form-data; boundary=XX", limits)
}

fn result(kind: Transformation, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if transformations::apply(kind, input, &mut out) { out } else { input.to_vec() }
}

/// CVE-2026-21876: only the last part's Content-Type was seen.
#[test]
fn row_01_the_charset_of_every_multipart_part_is_seen() {
    let part = |name: &str, charset: &str| {
        format!("--XX\nContent-Disposition: form-data; name={name}\nContent-Type: text/plain; charset={charset}\n\nx\n")
    };
    let outcome = multipart(&format!("{}{}--XX--\n", part("a", "utf-7"), part("b", "utf-8")));
    let types: Vec<&[u8]> = outcome.parts.iter().map(|part| &part.headers[1][..]).collect();
    assert_eq!(types, [b"Content-Type: text/plain; charset=utf-7", b"Content-Type: text/plain; charset=utf-8"]);
}

/// CVE-2022-48279 and CVE-2022-39956: part headers and encodings that hide a payload.
#[test]
fn row_02_unusual_part_headers_are_seen_or_refused() {
    let outcome = multipart(
        "--XX\nContent-Disposition: form-data; name=a; filename*=utf-8''shell%2ephp\nContent-Transfer-Encoding: base64\n\nx\n--XX--\n",
    );
    assert_eq!(outcome.parts[0].filename_extended.as_deref(), Some(&b"shell.php"[..]));
    assert_eq!(outcome.parts[0].headers[1], b"Content-Transfer-Encoding: base64");
    let outcome = multipart("--XX\nContent-Disposition: form-data; name=a; size=1\n\npayload\n--XX--\n");
    assert!(outcome.error.is_some());
    assert_eq!(outcome.parts[0].name, b"a");
}

/// CVE-2023-24021: a NUL byte cut an uploaded file short.
#[test]
fn row_03_a_nul_byte_does_not_end_a_file() {
    let body = "--XX\r\nContent-Disposition: form-data; name=a; filename=x\r\n\r\na\0payload\r\n--XX--\r\n";
    let outcome = multipart::parse(body.as_bytes(), b"multipart/form-data; boundary=XX", Limits { parts: 9, files: 9 });
    assert_eq!(&body.as_bytes()[outcome.parts[0].content.clone()], b"a\0payload");
    assert_eq!(outcome.error, None);
}

/// Framing on which servers disagree.
#[test]
fn row_04_ambiguous_multipart_framing_is_never_silent() {
    for body in [
        "--XX\nContent-Disposition: form-data; name=a\n--XX--\n",
        "--XX\nContent-Disposition: form-data; name=a\n\nx\n",
        "--XX\nContent-Disposition: form-data; name=a\n\nx\n--XX--x\n",
        "--XX\nContent-Disposition: form-data; name=a\n\nx\n --XX\n--XX--\n",
        "--XX\nContent-Disposition: form-data; name=a\n\nx\n--\"XX\"\n--XX--\n",
        "x\n--XX\nContent-Disposition: form-data; name=a\n\nx\n--XX--\n",
        "--XX\nContent-Disposition: form-data; name=a\n\nx\n--XX--\nx",
    ] {
        let outcome = multipart(body);
        assert!(outcome.error.is_some() || outcome.flags != multipart::Flags::default(), "{body}");
    }
}

/// CVE-2023-40586: a malformed Content-Type ended the process.
#[test]
fn row_08_a_malformed_content_type_is_an_error() {
    for content_type in
        ["multipart/form-data; boundary=\"", "multipart/form-data;=;boundary", "multipart/form-data; boundary=%x"]
    {
        let outcome = multipart::parse(b"--XX", content_type.as_bytes(), Limits { parts: 1, files: 1 });
        assert!(outcome.error.is_some(), "{content_type}");
    }
}

/// CVE-2021-42717: deeply nested JSON.
#[test]
fn row_09_json_of_any_depth_and_size_takes_linear_time() {
    let start = Instant::now();
    for text in ["[", "{\"a\":", "[{\"\":", "\"\\u0041", "[1,", "-", "\"\\"] {
        assert!(json::parse(text.repeat(200_000).as_bytes(), 512, &mut |_, _| true).is_err(), "{text}");
    }
    assert!(start.elapsed() < PATIENCE);
}

/// The boundary parameter itself, twice, quoted or escaped.
#[test]
fn row_04_an_ambiguous_boundary_is_never_silent() {
    for parameters in [
        "boundary=XX; boundary=YY",
        "boundary=YY; boundary=XX",
        "boundary=\"XX\"",
        "boundary=\"X\\X\"",
        "boundary=XX,YY",
        "boundary =XX",
        "boundary= XX",
        "BOUNDARY=XX; boundary=ZZ",
    ] {
        let body = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--XX--\r\n";
        let content_type = format!("multipart/form-data; {parameters}");
        let outcome = multipart::parse(body, content_type.as_bytes(), Limits { parts: 9, files: 9 });
        assert!(outcome.error.is_some() || outcome.flags != multipart::Flags::default(), "{parameters}");
    }
}

/// CVE-2026-42268: values shorter than the number that is looked for.
#[test]
fn row_13_short_values_to_every_checksum_are_safe() {
    use crate::operators::{Checksum, Operator, Rx};
    let pattern = std::sync::Arc::new(Rx::compile(br"[\d.-]*").expect("a pattern"));
    for checksum in [Checksum::CreditCard, Checksum::Cpf, Checksum::Ssn, Checksum::Svnr] {
        let operator = Operator::Verify(checksum, std::sync::Arc::clone(&pattern));
        for digit in ["0", "1", "9", "-", ".", "\u{663}"] {
            for length in 0..20 {
                let value = digit.repeat(length);
                assert!(operator.matches(b"", value.as_bytes()).is_ok(), "{value}");
            }
        }
    }
}

/// CVE-2025-52891 and entity bombs.
#[test]
fn row_10_xml_of_any_shape_takes_linear_time() {
    let start = Instant::now();
    for text in
        ["<a>", "<a ", "<!--", "<![CDATA[", "<!DOCTYPE a [", "&a;", "<a b='", "</a>", "<a/>", "&#0", "<?", "<a b"]
    {
        assert!(xml::parse(text.repeat(200_000).as_bytes(), 512, &mut |_| true).is_err(), "{text}");
    }
    assert!(start.elapsed() < PATIENCE);
}

/// CVE-2025-27110: entities with leading zeros.
#[test]
fn row_11_leading_zeros_hide_no_entity() {
    assert_eq!(result(Transformation::HtmlEntityDecode, b"&#x0000000000000000000000000000003cscript"), b"<script");
    let mut found = Vec::new();
    let parsed = xml::parse(b"<a>&#0000000000000000000000000060;</a>", 9, &mut |event| {
        found.push(format!("{event:?}"));
        true
    });
    assert_eq!(parsed, Ok(()));
    assert_eq!(found[1], format!("{:?}", xml::XmlEvent::Text(b"<")));
}

/// CVE-2026-30923: one byte to a transformation that reads pairs.
#[test]
fn row_12_short_input_to_every_transformation_is_safe() {
    for &kind in Transformation::ALL {
        for input in [
            &b""[..],
            b"0",
            b"%",
            b"\\",
            b"&",
            b"&#",
            b"&#x",
            b"\\x",
            b"\\u",
            b"%u",
            b"\xf0",
            b"\xe0\x80",
            b"<!-",
            b"/",
            b".",
        ] {
            result(kind, input);
        }
    }
}

/// CVE-2023-38285: transformations that moved the rest of the value for every byte they took out.
#[test]
fn row_14_every_transformation_takes_linear_time() {
    let start = Instant::now();
    for &kind in Transformation::ALL {
        for pattern in [
            &b" "[..],
            b"\0",
            b"a ",
            b"/*",
            b"*/",
            b"<!--",
            b"-->",
            b"%",
            b"%u",
            b"&#",
            b"&#0",
            b"&a",
            b"\\",
            b"\\u",
            b"/../",
            b"../",
            b"./",
            b"//",
            b"0x",
            b"0x4",
            b"\xc3",
            b"\xf0\x9f\x98\x80",
            b"[",
            b"[]",
            b"=",
            b"a",
            b"\\101",
            b"-",
            b"^",
        ] {
            result(kind, &pattern.repeat(500_000 / pattern.len()));
        }
    }
    assert!(start.elapsed() < 3 * PATIENCE, "{:?}", start.elapsed());
}

/// libinjection's port looks a word up from its start at each dot.
#[test]
fn row_15_no_value_takes_libinjection_quadratic_time() {
    let start = Instant::now();
    for pattern in [
        &b"a."[..],
        b"a`",
        b"\x01.",
        b"$a",
        b"$a$",
        b"'",
        b"\\'",
        b"\"",
        b"(",
        b"1,",
        b"a ",
        b"/*",
        b"--",
        b"`",
        b"@",
        b"@`",
        b"x'0",
        b"q'(",
        b"[",
        b"{",
        b"<",
        b"=",
        b"a=",
        b"<!--",
        b"<a ",
        b"</",
        b"<%",
        b"-",
        b"a,",
        b"'a' ",
        b"1+",
        b"&",
        b";",
        b"a.b ",
    ] {
        // The brace and the equals sign take the value past the gates.
        let value = [b"{=", &pattern.repeat(200_000 / pattern.len())[..]].concat();
        let _ = crate::operators::detect_sqli(&value);
        let _ = crate::operators::detect_xss(&value);
    }
    assert!(start.elapsed() < 3 * PATIENCE, "{:?}", start.elapsed());
}

/// Characters that a server maps to ASCII, and ASCII written longer than it needs to be.
#[test]
fn row_21_other_writings_of_ascii_are_decoded_or_visible() {
    assert_eq!(result(Transformation::UrlDecodeUni, b"%uff1cscript%u203a"), b"<script>");
    assert_eq!(result(Transformation::JsDecode, b"\\uff1cscript"), b"<script");
    assert_eq!(result(Transformation::Utf8ToUnicode, b"\xc0\xbcscript"), b"%u003c\xc0script");
    assert_eq!(result(Transformation::Base64Decode, b"PHNjcmlwdD4=\xff"), b"<script>");
}
