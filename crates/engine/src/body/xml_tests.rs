//! What the XML scanner reports, and what it withstands.

use super::*;

fn read(input: &[u8]) -> (String, Option<String>) {
    let mut found = String::new();
    let result = parse(input, 50, &mut |event| {
        match event {
            XmlEvent::Start(name) => found.push_str(&format!("<{}>", name.escape_ascii())),
            XmlEvent::Attribute(name, value) => {
                found.push_str(&format!("@{}={};", name.escape_ascii(), value.escape_ascii()));
            }
            XmlEvent::Text(text) => found.push_str(&text.escape_ascii().to_string()),
            XmlEvent::End => found.push_str("</>"),
        }
        true
    });
    (found, result.err().map(|error| error.message))
}

fn valid(input: &str) -> String {
    let (found, error) = read(input.as_bytes());
    assert_eq!(error, None, "{input}");
    found
}

#[test]
fn text_attributes_and_cdata_are_reported() {
    assert_eq!(
        valid("<?xml version=\"1.0\"?>\n<!-- c --><r a='1' b = \"x&quot;y\"><i/>t&lt;e<![CDATA[<x>&amp;]]></r>\n"),
        "<r>@a=1;@b=x\\\"y;<i></>t<e<x>&amp;</>"
    );
    assert_eq!(valid("<r>&#x3c;&#60;&#0000000000000000060;&apos;</r>"), "<r><<<\\'</>");
}

#[test]
fn an_unknown_entity_does_not_blind_the_rest() {
    let (found, error) = read(b"<r a='&x;<'>&unknown;<b>&nbsp;<script></b></r>");
    assert!(found.contains("@a=&x;<;") && found.contains("&unknown;") && found.contains("&nbsp;<script>"), "{found}");
    assert!(error.is_some());
}

#[test]
fn entities_are_never_expanded_and_their_text_is_inspected() {
    let bomb = "<!DOCTYPE r [<!ENTITY a \"<script>\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&b;&x;</r>";
    let (found, error) = read(bomb.as_bytes());
    assert_eq!(found, "<script> &a;&a;&a; file:///etc/passwd <r>&b;&x;</>");
    assert!(error.is_some());
    assert_eq!(valid("<!DOCTYPE html PUBLIC '-//W3C//DTD' \"x>y\"><r/>"), "<r></>");
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let (_, error) = read("<a>".repeat(1_000_000).as_bytes());
    assert!(error.unwrap().contains("nested"));
}

#[test]
fn faults_are_reported_and_what_follows_is_still_inspected() {
    for (input, seen) in [
        ("<a><b></a>payload", "payload"),
        ("<a b=payload>x</a>", "payload"),
        ("<a b=\"payload", "payload"),
        ("<a b payload='1'>x</a>", "payload"),
        ("<a><![CDATA[payload", "payload"),
        ("payload", "payload"),
        ("<a>1 < 2 payload</a>", "payload"),
        ("<a/><b>payload</b>", "payload"),
        ("<a <b>payload</b>", "payload"),
        ("<a>payload", "payload"),
        ("</a><b>payload</b>", "payload"),
        ("<a \"' payload='1'/>", "payload"),
        ("", ""),
        ("<", ""),
        ("<a>\u{0}</a", ""),
    ] {
        let (found, error) = read(input.as_bytes());
        assert!(found.contains(seen), "{input}: {found}");
        assert!(error.is_some(), "{input}");
    }
    assert!(read(b"<a>\xff</a>").1.is_some());
}

#[test]
fn utf16_documents_are_inspected_as_text() {
    let bytes: Vec<u8> = "\u{feff}<r a='x'>payload</r>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&bytes), ("<r>@a=x;payload</>".to_owned(), None));
}

#[test]
fn the_sink_ends_the_parse() {
    let mut events = 0;
    let result = parse(b"<a><b><c>", 50, &mut |_| {
        events += 1;
        events < 2
    });
    assert_eq!(events, 2);
    assert!(result.is_ok());
}
