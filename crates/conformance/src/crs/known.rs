//! Failures that are known and accepted, each with its reason.

use std::collections::BTreeMap;

/// Failures on CRS 4.
const CRS_4: &str = include_str!("../../known-failures/crs-4.txt");
/// Failures on CRS 3.
const CRS_3: &str = include_str!("../../known-failures/crs-3.txt");

/// Test id to reason.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<String, String>);

impl Known {
    /// The checked-in list for a major version of the rule set.
    pub(crate) fn for_version(major: u32) -> Known {
        match major {
            3 => Known::parse(CRS_3),
            4 => Known::parse(CRS_4),
            _ => Known::default(),
        }
    }

    /// A line is a test id, blanks, and the reason; `#` begins a comment.
    fn parse(text: &str) -> Known {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| {
            let (id, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (id.to_owned(), reason.trim().to_owned())
        };
        Known(lines.map(entry).collect())
    }

    pub(crate) fn reason(&self, test: &str) -> Option<&str> {
        self.0.get(test).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_failure_has_a_reason() {
        for text in [CRS_3, CRS_4] {
            for (id, reason) in Known::parse(text).0 {
                assert!(reason.len() > 20, "{id} needs a reason");
            }
        }
    }

    #[test]
    fn comments_are_no_entries() {
        let known = Known::parse("# c\n\n942100-1  the reason why\n");
        assert_eq!(known.reason("942100-1"), Some("the reason why"));
        assert_eq!(known.0.len(), 1);
    }
}
