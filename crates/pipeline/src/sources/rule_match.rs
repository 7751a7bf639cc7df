//! What ModSecurity says about a match, taken apart.
//!
//! Version 3 writes ``Matched "Operator `Rx' with parameter `…' against variable `ARGS:q' (Value: `…' )``.
//! Version 2 has a sentence per operator, most of which end with the variable: `Pattern match "…" at
//! ARGS:q.`, `Operator GE matched 5 at TX:anomaly_score.` Neither names the variable that libinjection
//! found something in, nor does version 2 name the value: the rule's `logdata` does
//! (`Matched Data: … found within ARGS:q: …`).

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Dividers that are looked for in every message.
static VARIABLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("' against variable `"));
static VALUE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("' (Value: `"));

/// Longest text kept, in bytes, as for our own findings.
const TEXT_BYTES_MAX: usize = 512;

/// The parts of a match. Empty where the text does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RuleMatch {
    /// As in a rule, for example `@rx …`.
    pub(super) operator: String,
    pub(super) variable: String,
    pub(super) matched: String,
}

/// Takes a match text apart. `data` is the rule's expanded `logdata`.
pub(super) fn parse(text: &str, data: &str) -> RuleMatch {
    if let Some(parts) = parse_operator(text) {
        return parts;
    }
    let (operator, place) = parse_sentence(text);
    let (variable, matched) = parse_data(data).unwrap_or_default();
    let variable = if variable.is_empty() { place } else { variable };
    RuleMatch { operator, variable: cut(variable).to_owned(), matched: cut(matched).to_owned() }
}

/// Operator and variable of a sentence of version 2.
fn parse_sentence(text: &str) -> (String, &str) {
    let text = text.trim_end();
    let place = text.strip_suffix('.').unwrap_or(text).rsplit_once(" at ").map(|(_, place)| place);
    // Names of variables have no spaces; a value that a client sent may follow an " at " of its own.
    let place = place.filter(|place| !place.contains(' ')).unwrap_or_default();
    let quoted = |name: &str| {
        let rest = text.split_once(" \"")?.1;
        let end = rest.rfind("\" at ").or_else(|| rest.find("\" against "))?;
        Some(cut(&format!("@{name} {}", &rest[..end])).to_owned())
    };
    let operator = match text {
        _ if text.starts_with("detected SQLi") => Some("@detectSQLi".to_owned()),
        _ if text.starts_with("detected XSS") => Some("@detectXSS".to_owned()),
        _ if text.starts_with("Pattern match") => quoted("rx"),
        _ if text.starts_with("Matched phrase") => quoted("pm"),
        _ if text.starts_with("String match") => quoted("streq"),
        _ => text.strip_prefix("Operator ").and_then(|rest| {
            let (name, rest) = rest.split_once(" matched ")?;
            let (argument, _) = rest.split_once(" at ")?;
            Some(cut(&format!("@{} {argument}", name.to_ascii_lowercase())).to_owned())
        }),
    };
    (operator.unwrap_or_default(), place)
}

fn parse_operator(text: &str) -> Option<RuleMatch> {
    let rest = text.strip_prefix("Matched \"Operator `")?;
    let (name, rest) = rest.split_once('\'')?;
    let rest = rest.strip_prefix(" with parameter `")?;
    // The parameter is the rule author's, what follows is the client's: the first divider is real.
    let (parameter, rest) = split_once(rest, &VARIABLE)?;
    let (variable, value) = split_once(rest, &VALUE).unwrap_or((rest, ""));
    let value = value.strip_suffix("' )").or_else(|| value.strip_suffix("')")).unwrap_or(value);
    let mut letters = name.chars();
    let first = letters.next()?.to_ascii_lowercase();
    let parameter = cut(parameter);
    let mut operator = String::with_capacity(name.len() + parameter.len() + 2);
    operator.extend(['@', first]);
    operator.push_str(letters.as_str());
    if !parameter.trim_end().is_empty() {
        operator.push(' ');
        operator.push_str(parameter.trim_end());
    }
    operator.truncate(operator.floor_char_boundary(TEXT_BYTES_MAX));
    Some(RuleMatch { operator, variable: cut(variable).to_owned(), matched: cut(value).to_owned() })
}

fn split_once<'a>(text: &'a str, divider: &Finder<'_>) -> Option<(&'a str, &'a str)> {
    let at = divider.find(text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + divider.needle().len()..)?))
}

fn parse_data(data: &str) -> Option<(&str, &str)> {
    let (_, rest) = data.split_once(" found within ")?;
    rest.split_once(": ")
}

/// Cuts between characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, data: &str) -> [String; 3] {
        let RuleMatch { operator, variable, matched } = parse(text, data);
        [operator, variable, matched]
    }

    #[test]
    fn operator_variable_and_value_are_found() {
        assert_eq!(
            parts(
                "Matched \"Operator `PmFromFile' with parameter `lfi.data' against variable `ARGS:f' (Value: `../x' )",
                ""
            ),
            ["@pmFromFile lfi.data", "ARGS:f", "../x"]
        );
        assert_eq!(
            parts(
                "Matched \"Operator `ValidateUrlEncoding' with parameter `' against variable `REQUEST_URI' (Value: `/%' )",
                ""
            ),
            ["@validateUrlEncoding", "REQUEST_URI", "/%"]
        );
        assert_eq!(
            parts("detected SQLi using libinjection.", "Matched Data: s&1 found within ARGS:q: 1' or 1: x"),
            ["@detectSQLi", "ARGS:q", "1' or 1: x"]
        );
    }

    #[test]
    fn sentences_of_version_2_are_understood() {
        assert_eq!(
            parts("Pattern match \"^[\\d.:]+$\" at REQUEST_HEADERS:Host.", "127.0.0.1:9811"),
            ["@rx ^[\\d.:]+$", "REQUEST_HEADERS:Host", ""]
        );
        assert_eq!(parts("Operator GE matched 5 at TX:anomaly_score.", ""), ["@ge 5", "TX:anomaly_score", ""]);
        assert_eq!(
            parts(
                "Matched phrase \"etc/passwd\" at ARGS:f.",
                "Matched Data: etc/passwd found within ARGS:f: ../etc/passwd"
            ),
            ["@pm etc/passwd", "ARGS:f", "../etc/passwd"]
        );
        let fingerprint = "detected SQLi using libinjection with fingerprint 'sos'";
        assert_eq!(parts(fingerprint, ""), ["@detectSQLi", "", ""]);
    }

    #[test]
    fn what_a_client_writes_does_not_move_the_dividers() {
        let text = "Matched \"Operator `Rx' with parameter `a'b' against variable `ARGS:x' \
                    (Value: `' against variable `ARGS:y' (Value: `z' )";
        assert_eq!(parts(text, ""), ["@rx a'b", "ARGS:x", "' against variable `ARGS:y' (Value: `z"]);
    }

    #[test]
    fn other_text_yields_nothing_and_long_text_is_cut() {
        assert_eq!(parts("Matched \"Operator `Rx", "no data"), ["", "", ""]);
        let long = "é".repeat(1000);
        let text =
            format!("Matched \"Operator `Rx' with parameter `{long}' against variable `ARGS' (Value: `{long}' )");
        let RuleMatch { operator, matched, .. } = parse(&text, "");
        assert!(operator.len() <= TEXT_BYTES_MAX && matched.len() <= TEXT_BYTES_MAX);
    }
}
