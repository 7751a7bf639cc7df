//! Failures that are known and accepted, each with its reason.

use std::collections::BTreeMap;

/// Failures on CRS 4.
const CRS_4: &str = include_str!("../../known-failures/crs-4.txt");
/// Failures on CRS 3.
const CRS_3: &str = include_str!("../../known-failures/crs-3.txt");
/// What fails only through the gateway, on CRS 4.
const CRS_4_WIRE: &str = include_str!("../../known-failures/crs-4-wire.txt");
/// What fails only through the gateway, on CRS 3.
const CRS_3_WIRE: &str = include_str!("../../known-failures/crs-3-wire.txt");

/// Test id to reason.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<String, String>);

impl Known {
    /// The checked-in list for a major version of the rule set.
    pub(crate) fn in_process(major: u32) -> Known {
        match major {
            3 => Known::parse(CRS_3),
            4 => Known::parse(CRS_4),
            _ => Known::default(),
        }
    }

    /// The same, and what is known of the gateway.
    pub(crate) fn over_wire(major: u32) -> Known {
        let mut known = Known::in_process(major);
        known.0.extend(match major {
            3 => Known::parse(CRS_3_WIRE).0,
            4 => Known::parse(CRS_4_WIRE).0,
            _ => BTreeMap::new(),
        });
        known
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
        for text in [CRS_3, CRS_4, CRS_3_WIRE, CRS_4_WIRE] {
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
