//! Properties of the operators.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libinjectionrs::{SqliFlags, SqliState, XssDetector};

use super::choices::Choices;
use super::rules;
use crate::operators::{self, Captures, IpMatch, Operator, Pm, Rx, Text};
use crate::prefilter::{Need, Prefilter, Scratch, classes};

/// Detection through the operator is detection by the library, but for phrases that it takes apart.
pub fn detect_sqli(input: &[u8]) {
    if input.len() > 1000 {
        // Beyond that the operator may refuse a value that the library would take long for.
        return;
    }
    let replaced = operators::sqli_phrases_replaced(input);
    let text = replaced.as_deref().unwrap_or(input);
    let plain = catch_unwind(AssertUnwindSafe(|| SqliState::new(text, SqliFlags::FLAG_NONE).detect())).unwrap_or(true);
    assert_eq!(operators::detect_sqli(input).is_some(), plain, "{}", input.escape_ascii());
}

/// Detection through the operator is detection by the library.
pub fn detect_xss(input: &[u8]) {
    let plain = catch_unwind(AssertUnwindSafe(|| XssDetector::new().detect(input).is_injection())).unwrap_or(true);
    assert_eq!(operators::detect_xss(input), plain, "{}", input.escape_ascii());
}

/// An operator compiled from random rules' grammar: what it says of a value is what its plain form
/// says, and its gate never hides a value that it matches.
pub fn operator(input: &[u8]) {
    let mut choices = Choices::new(input);
    let name =
        choices.pick(&["contains", "beginsWith", "endsWith", "streq", "within", "containsWord", "pm", "rx", "ipMatch"]);
    let argument = match name {
        "rx" => rules::pattern(&mut choices),
        "pm" => (0..=choices.below(4)).flat_map(|_| [&rules::word(&mut choices)[..], b" "].concat()).collect(),
        "ipMatch" => choices.text(&[b"1", b"10.", b"0", b".", b"/", b"8", b"24", b":", b"::", b"fe80", b","], 9),
        _ => choices.text(rules::WORDS, 3),
    };
    let value = match name {
        "ipMatch" => choices.text(&[b"1", b"10.", b"0", b".", b"255", b":", b"::", b"fe80", b"10.0.0.1"], 9),
        _ => choices.text(rules::WORDS, 12),
    };
    let shown = || format!("@{name} {} on {}", argument.escape_ascii(), value.escape_ascii());
    let (operator, hir) = match name {
        "rx" => match Rx::compile_parsed(&argument, None) {
            Ok((rx, hir)) => (Operator::Rx(Arc::new(rx)), hir),
            Err(_) => return,
        },
        "pm" => match Pm::compile(&argument) {
            Ok(pm) => (Operator::Pm(Arc::new(pm)), None),
            Err(_) => return,
        },
        "ipMatch" => match IpMatch::compile(&argument) {
            Ok(addresses) => (Operator::IpMatch(Arc::new(addresses)), None),
            Err(_) => return,
        },
        name => (Operator::Text(plain_kind(name)), None),
    };
    let Ok(matches) = operator.matches(&argument, &value) else { return };
    if let Some(expected) = plain(name, &argument, &value) {
        assert_eq!(matches, expected, "{}", shown());
    }
    if matches && name != "ipMatch" {
        let need = Need::of(&operator, Some(&argument), hir.as_ref());
        let mut gate = [0u64];
        let classes = classes::of(&value);
        Prefilter::build(&[need]).scan(&value, classes, &mut Scratch::default(), &mut gate);
        assert_eq!(gate, [1], "the gate hides {}", shown());
    }
    let mut captures = Captures::default();
    operator.captures(&argument, &value, &mut captures);
    assert!(captures.len() <= 64, "{}", shown());
}

fn plain_kind(name: &str) -> Text {
    match name {
        "contains" => Text::Contains,
        "beginsWith" => Text::BeginsWith,
        "endsWith" => Text::EndsWith,
        "within" => Text::Within,
        "containsWord" => Text::ContainsWord,
        _ => Text::Equal,
    }
}

/// The plain form of an operator, where there is one.
fn plain(name: &str, argument: &[u8], value: &[u8]) -> Option<bool> {
    let found = |needle: &[u8], text: &[u8]| needle.is_empty() || text.windows(needle.len()).any(|part| part == needle);
    Some(match name {
        "contains" => found(argument, value),
        "within" => found(value, argument),
        "beginsWith" => value.starts_with(argument),
        "endsWith" => value.ends_with(argument),
        "streq" => value == argument,
        "containsWord" => {
            let letter = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphabetic);
            argument.is_empty()
                || (0..value.len()).any(|at| {
                    value[at..].starts_with(argument)
                        && !(at > 0 && letter(value.get(at - 1)))
                        && !letter(value.get(at + argument.len()))
                })
        }
        "pm" => {
            let text = value.to_ascii_lowercase();
            let mut phrases = argument.split(|byte| byte.is_ascii_whitespace()).filter(|phrase| !phrase.is_empty());
            // Phrases may also be written in hexadecimal between bars, which the words here never do.
            phrases.any(|phrase| found(&phrase.to_ascii_lowercase(), &text))
        }
        _ => return None,
    })
}
