//! Whether a stage did what the test wants, with the words that a failure is reported with.

use regex::RegexBuilder;

use super::exchange::Outcome;
use super::schema::Output;

/// What was expected and what came instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) got: String,
}

fn mismatch(expected: impl Into<String>, got: impl Into<String>) -> Mismatch {
    Mismatch { expected: expected.into(), got: got.into() }
}

/// Compares; `None` if everything is as expected.
pub(crate) fn check(expected: &Output, outcome: &Outcome) -> Option<Mismatch> {
    if !expected.asserts_something() {
        return Some(mismatch("an assertion", "a stage that asserts nothing"));
    }
    match (expected.expect_error, outcome.status) {
        // As go-ftw does: an expected error decides alone.
        (Some(true), None) => return None,
        (Some(true), Some(status)) => return Some(mismatch("no response", format!("status {status}"))),
        (_, None) => {
            let got = format!("a connection that ends without one, {}", ids(outcome));
            return Some(mismatch("a response", got));
        }
        (_, Some(status)) if !expected.statuses.is_empty() && !expected.statuses.contains(&status) => {
            return Some(mismatch(
                format!("status {}", join(&expected.statuses)),
                format!("status {status}, {}", ids(outcome)),
            ));
        }
        _ => {}
    }
    if let Some(text) = &expected.response_contains
        && !contains(&outcome.response_body, text.as_bytes())
    {
        return Some(mismatch(format!("a response that contains `{text}`"), "another response"));
    }
    ids_as_expected(expected, outcome).or_else(|| lines_as_expected(expected, outcome))
}

fn ids_as_expected(expected: &Output, outcome: &Outcome) -> Option<Mismatch> {
    let missing: Vec<u32> = expected.expect_ids.iter().copied().filter(|id| !outcome.ids.contains(id)).collect();
    if !missing.is_empty() {
        return Some(mismatch(format!("rules {}", join(&missing)), ids(outcome)));
    }
    let forbidden: Vec<u32> = expected.no_expect_ids.iter().copied().filter(|id| outcome.ids.contains(id)).collect();
    if !forbidden.is_empty() {
        return Some(mismatch(format!("rules {} silent", join(&forbidden)), ids(outcome)));
    }
    let mut distinct = outcome.ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if expected.isolated && distinct.len() != 1 {
        return Some(mismatch("exactly one rule", ids(outcome)));
    }
    None
}

fn lines_as_expected(expected: &Output, outcome: &Outcome) -> Option<Mismatch> {
    for (pattern, wanted) in [(&expected.match_regex, true), (&expected.no_match_regex, false)] {
        let Some(pattern) = pattern else { continue };
        let regex = match RegexBuilder::new(pattern).build() {
            Ok(regex) => regex,
            Err(error) => return Some(mismatch("a valid expression", error.to_string())),
        };
        if outcome.log.iter().any(|line| regex.is_match(line)) != wanted {
            let expected = if wanted { "a log line that matches" } else { "no log line that matches" };
            return Some(mismatch(format!("{expected} `{pattern}`"), shown_log(outcome)));
        }
    }
    None
}

fn shown_log(outcome: &Outcome) -> String {
    const LINES: usize = 12;
    if outcome.log.is_empty() {
        return "an empty log".to_owned();
    }
    outcome.log.iter().take(LINES).cloned().collect::<Vec<_>>().join("\n    ")
}

fn ids(outcome: &Outcome) -> String {
    let note = outcome.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    if outcome.ids.is_empty() { format!("no rules{note}") } else { format!("rules {}{note}", join(&outcome.ids)) }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: Option<u16>, ids: &[u32], log: &[&str]) -> Outcome {
        Outcome {
            status,
            ids: ids.to_vec(),
            log: log.iter().map(|line| (*line).to_owned()).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn each_assertion_can_fail() {
        let found = outcome(Some(200), &[1, 2], &["[id \"1\"]"]);
        let failing = [
            Output::default(),
            Output { statuses: vec![400], ..Output::default() },
            Output { expect_ids: vec![1, 3], ..Output::default() },
            Output { no_expect_ids: vec![2], ..Output::default() },
            Output { expect_ids: vec![1], isolated: true, ..Output::default() },
            Output { match_regex: Some("id \"2\"".into()), ..Output::default() },
            Output { no_match_regex: Some("id \"1\"".into()), ..Output::default() },
            Output { expect_error: Some(true), ..Output::default() },
            Output { response_contains: Some("x".into()), ..Output::default() },
        ];
        for expected in failing {
            assert!(check(&expected, &found).is_some(), "{expected:?}");
        }
        let passing = [
            Output { statuses: vec![400, 200], ..Output::default() },
            Output { expect_ids: vec![1, 2], no_expect_ids: vec![3], ..Output::default() },
            Output { match_regex: Some("id \"1\"".into()), ..Output::default() },
        ];
        for expected in passing {
            assert_eq!(check(&expected, &found), None);
        }
    }

    #[test]
    fn an_expected_error_decides_alone() {
        let expected = Output { expect_error: Some(true), expect_ids: vec![9], ..Output::default() };
        assert_eq!(check(&expected, &outcome(None, &[], &[])), None);
    }
}
