//! What the multipart parser finds, flags and withstands.

use super::*;

const CONTENT_TYPE: &[u8] = b"multipart/form-data; boundary=XX";
const LIMITS: Limits = Limits { parts: 100, files: 3 };

/// Parses a body written with LF line ends, sent with CRLF.
fn read(body: &str) -> MultipartOutcome {
    parse(body.replace('\n', "\r\n").as_bytes(), CONTENT_TYPE, LIMITS)
}

/// A body whose one part has these lines as headers.
fn with_headers(headers: &str) -> MultipartOutcome {
    read(&format!("--XX\n{headers}\n\nvalue\n--XX--\n"))
}

fn content<'a>(body: &'a [u8], part: &Part) -> &'a [u8] {
    &body[part.content.clone()]
}

const FORM: &str = "--XX\nContent-Disposition: form-data; name=\"a\"\n\nline 1\nline 2\n--XX\n\
    content-disposition: form-data; name=\"f\"; filename=\"x.php\"\nContent-Type: text/plain\n\n<?php\n\n--XX--\n";

#[test]
fn fields_and_files_are_found_without_a_doubt() {
    let body = FORM.replace('\n', "\r\n");
    let outcome = parse(body.as_bytes(), CONTENT_TYPE, LIMITS);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.flags, Flags::default());
    let [field, file] = &outcome.parts[..] else { panic!("{:?}", outcome.parts) };
    assert_eq!((&field.name[..], field.is_file()), (&b"a"[..], false));
    assert_eq!(content(body.as_bytes(), field), b"line 1\r\nline 2");
    assert_eq!((&file.name[..], file.filename.as_deref()), (&b"f"[..], Some(&b"x.php"[..])));
    assert_eq!(content(body.as_bytes(), file), b"<?php\r\n");
    assert_eq!(file.headers[1], b"Content-Type: text/plain");
}

#[test]
fn the_final_boundary_needs_no_line_end() {
    let outcome = read(FORM.trim_end());
    assert_eq!((outcome.error, outcome.flags, outcome.parts.len()), (None, Flags::default(), 2));
}

#[test]
fn bare_line_feeds_are_flagged() {
    let outcome = parse(FORM.as_bytes(), CONTENT_TYPE, LIMITS);
    assert_eq!(outcome.flags, Flags { lf_line: true, ..Flags::default() });
    assert_eq!(content(FORM.as_bytes(), &outcome.parts[0]), b"line 1\nline 2");
    let mixed = FORM.replacen('\n', "\r\n", 1);
    let outcome = parse(mixed.as_bytes(), CONTENT_TYPE, LIMITS);
    assert_eq!(outcome.flags, Flags { lf_line: true, crlf_lf_lines: true, ..Flags::default() });
}

#[test]
fn data_around_the_parts_is_flagged() {
    let outcome = read(&format!("preamble\n{FORM}epilogue"));
    assert_eq!(outcome.flags, Flags { data_before: true, data_after: true, ..Flags::default() });
}

#[test]
fn boundary_lookalikes_are_flagged() {
    let flag = |value: &str| {
        read(&format!("--XX\nContent-Disposition: form-data; name=a\n\n{value}\n--XX--\n")).flags.unmatched_boundary
    };
    assert_eq!(flag("x"), 0);
    assert_eq!(flag("--YY"), 2);
    assert_eq!(flag("x --XX"), 2);
    assert_eq!(read("--XX\nContent-Disposition: form-data; name=a\n\n--YY\nx").flags.unmatched_boundary, 1);
}

#[test]
fn boundaries_that_servers_read_differently_are_errors() {
    for line in ["--XXX", "--XX ", "-- XX", "--XX--x"] {
        let outcome = read(&format!("--XX\nContent-Disposition: form-data; name=a\n\nx\n{line}\ny\n--XX--\n"));
        assert!(outcome.error.is_some_and(|error| error.contains("Invalid boundary")), "{line}");
        assert_eq!(outcome.parts.len(), 1);
    }
}

#[test]
fn a_missing_final_boundary_is_an_error_and_the_part_is_inspected() {
    let body = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\npayload";
    let outcome = parse(body.as_bytes(), CONTENT_TYPE, LIMITS);
    assert_eq!(outcome.error.as_deref(), Some("Multipart: Final boundary missing."));
    assert_eq!(content(body.as_bytes(), &outcome.parts[0]), b"payload");
    assert_eq!(read("payload").error.as_deref(), Some("Multipart: No boundaries found in payload."));
    assert_eq!(read("").error, None);
}

#[test]
fn a_part_without_a_body_is_flagged_and_its_name_is_read() {
    let outcome = read(
        "--XX\nContent-Disposition: form-data; name=a\n--XX\nContent-Disposition: form-data; name=b\n\n1\n--XX--\n",
    );
    assert!(outcome.flags.invalid_part);
    assert_eq!(outcome.parts.iter().map(|part| &part.name[..]).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(outcome.parts[0].content.len(), 0);
}

#[test]
fn malformed_part_headers_are_errors() {
    let disposition = "Content-Disposition: form-data; name=a";
    for (headers, message) in [
        (format!("\u{e}{disposition}\n{disposition}"), "contains invalid character"),
        (format!("Content- Type: x\n{disposition}"), "contains invalid character"),
        (format!("no-colon\n{disposition}"), "colon missing"),
        (format!(": x\n{disposition}"), "header name missing"),
        (format!("{disposition}\n{disposition}"), "Duplicate part header"),
        (format!(" folded\n{disposition}"), "folding error"),
        (format!("X: \0\n{disposition}"), "Nul byte"),
        (format!("X: {}\n{disposition}", "x".repeat(5000)), "over 4096 bytes"),
        (
            format!("{}{disposition}", (0..100).map(|n| format!("X-{n}: y\n")).collect::<String>()),
            "more than 64 headers",
        ),
        ("X: y".to_owned(), "missing Content-Disposition"),
        ("Content-Disposition: form-data".to_owned(), "missing name field"),
        (format!("{disposition}; size=1"), "Invalid Content-Disposition header (-11)"),
    ] {
        let outcome = with_headers(&headers);
        let error = outcome.error.unwrap_or_default();
        assert!(error.contains(message), "{headers}: {error}");
        assert_eq!(outcome.parts.len(), 1, "{headers}");
    }
}

#[test]
fn folded_headers_are_joined_and_flagged() {
    let outcome = with_headers("Content-Disposition: form-data;\n name=a\nX: 1\n\x0b2");
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.parts[0].name, b"a");
    assert_eq!(outcome.parts[0].headers[1], b"X: 1 2");
    assert!(outcome.flags.header_folding && outcome.flags.invalid_header_folding);
}

#[test]
fn an_empty_file_name_makes_a_field() {
    let outcome = with_headers("Content-Disposition: form-data; name=a; filename=\"\"");
    assert!(!outcome.parts[0].is_file());
    let outcome = with_headers("Content-Disposition: form-data; name=a; filename*=UTF-8''x%2ephp");
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.parts[0].filename_extended.as_deref(), Some(&b"x.php"[..]));
}

#[test]
fn a_nul_byte_in_content_is_content() {
    let body = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\na\0b\r\n--\0\r\n--XX--\r\n";
    let outcome = parse(body, CONTENT_TYPE, LIMITS);
    assert_eq!(outcome.error, None);
    assert_eq!(content(body, &outcome.parts[0]), b"a\0b\r\n--\0");
}

#[test]
fn limits_on_parts_and_files_are_errors() {
    let part = "--XX\nContent-Disposition: form-data; name=a; filename=x\n\n1\n";
    let outcome = read(&format!("{}--XX--\n", part.repeat(4)));
    assert!(outcome.flags.file_limit_exceeded && outcome.error.is_some());
    assert_eq!(outcome.parts.len(), 4);
    let outcome = read(&format!("{}--XX--\n", part.repeat(200)));
    assert_eq!(outcome.parts.len(), 100);
    assert!(outcome.error.is_some());
}

#[test]
fn doubtful_content_types_are_errors() {
    let parse = |content_type: &str| parse(b"", content_type.as_bytes(), LIMITS);
    for (content_type, message) in [
        ("", "not available"),
        ("multipart/mixed; boundary=XX", "MIME type"),
        ("multipart/form", "MIME type"),
        ("multipart/form-data", "not found"),
        ("multipart/form-data; BOUNDARY=XX", "case sensitivity"),
        ("multipart/form-data; boundary=XX; boundary=YY", "Multiple"),
        ("multipart/form-data; boundary=XX; Boundary=YY", "Multiple"),
        ("multipart/form-data; charset=utf-7; boundary=XX", "malformed"),
        ("multipart/form-data; boundary", "malformed"),
        ("multipart/form-data; boundaryX=XX", "parameter name"),
        ("multipart/form-data; boundary=\"XX", "quote"),
        ("multipart/form-data; boundary=XX\"", "quote"),
        ("multipart/form-data; boundary=", "empty"),
        ("multipart/form-data; boundary=\"\"", "empty"),
        ("multipart/form-data; boundary=X;X", "characters"),
        ("multipart/form-data; boundary=XX ", "characters"),
        ("multipart/form-data; boundary=X\u{e9}", "characters"),
        (&format!("multipart/form-data; boundary={}", "X".repeat(2000)), "length"),
    ] {
        let error = parse(content_type).error.unwrap_or_default();
        assert!(error.contains(message), "{content_type}: {error}");
    }
    assert!(parse("multipart/form-data; boundary=\"XX\"").flags.boundary_quoted);
    assert!(parse("multipart/form-data; boundary =XX").flags.boundary_whitespace);
    assert!(parse("multipart/form-data; boundary= XX").flags.boundary_whitespace);
    assert!(parse("multipart/form-data boundary=XX").flags.missing_semicolon);
}
