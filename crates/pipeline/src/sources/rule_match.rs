//! What ModSecurity says about a match, taken apart.
//!
//! The text is ``Matched "Operator `Rx' with parameter `…' against variable `ARGS:q' (Value: `…' )``,
//! or for libinjection `detected SQLi using libinjection.`, where only the rule's `logdata` names the
//! variable (`Matched Data: … found within ARGS:q: …`).

use std::borrow::Cow;

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
    parse_operator(text).unwrap_or_else(|| {
        let operator = match text {
            _ if text.starts_with("detected SQLi") => "@detectSQLi",
            _ if text.starts_with("detected XSS") => "@detectXSS",
            _ => "",
        };
        let (variable, matched) = parse_data(data).unwrap_or_default();
        RuleMatch { operator: operator.to_owned(), variable: variable.to_owned(), matched: cut(matched).into_owned() }
    })
}

fn parse_operator(text: &str) -> Option<RuleMatch> {
    let rest = text.strip_prefix("Matched \"Operator `")?;
    let (name, rest) = rest.split_once("' with parameter `")?;
    // The parameter is the rule author's, what follows is the client's: the first divider is real.
    let (parameter, rest) = rest.split_once("' against variable `")?;
    let (variable, value) = rest.split_once("' (Value: `").unwrap_or((rest, ""));
    let value = value.strip_suffix("' )").or_else(|| value.strip_suffix("')")).unwrap_or(value);
    let mut letters = name.chars();
    let first = letters.next()?.to_ascii_lowercase();
    let operator = format!("@{first}{} {parameter}", letters.as_str());
    Some(RuleMatch {
        operator: cut(operator.trim_end()).into_owned(),
        variable: cut(variable).into_owned(),
        matched: cut(value).into_owned(),
    })
}

fn parse_data(data: &str) -> Option<(&str, &str)> {
    let (_, rest) = data.split_once(" found within ")?;
    rest.split_once(": ")
}

/// Cuts between characters.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Borrowed(&text[..end])
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
