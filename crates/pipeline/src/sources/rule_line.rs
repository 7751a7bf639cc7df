//! One line about one rule, as ModSecurity 2 and 3 and Coraza write it to audit and error logs:
//! `Warning. Matched … [file "…"] [line "…"] [id "…"] [msg "…"] … [tag "…"] [unique_id "…"]`.
//!
//! What matched stands before the brackets and what an error log adds stands after them, and both can
//! hold text of the client, brackets included. Inside the brackets quotes are escaped. So of all runs
//! of brackets the one with the most different keys is the real one: libmodsecurity quotes at most 100
//! characters of a value, too few to imitate all keys.

use super::transaction::{Message, severity};
use std::borrow::Cow;

/// Places looked at where a run of brackets may begin.
const RUNS_MAX: usize = 16;
/// Tags of one rule that are kept.
const TAGS_MAX: usize = 256;
const KEYS: [&str; 13] = [
    "file",
    "line",
    "id",
    "rev",
    "msg",
    "data",
    "severity",
    "ver",
    "maturity",
    "accuracy",
    "hostname",
    "uri",
    "unique_id",
];

/// A line taken apart.
#[derive(Debug, Default)]
pub(super) struct RuleLine<'a> {
    pub(super) message: Message<'a>,
    pub(super) hostname: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    pub(super) unique_id: Cow<'a, str>,
    /// The rule stopped the transaction.
    pub(super) denied: bool,
    /// Status that the rule answers with; 0 if it does not say.
    pub(super) status: u16,
    /// What follows the brackets.
    pub(super) trailer: &'a str,
    /// The line ends inside the brackets.
    pub(super) cut_off: bool,
}

/// Takes a line apart, from the word that says what was done (`Warning.`, `Access denied …`).
/// `None` if no rule is named in it.
pub(super) fn parse(line: &str) -> Option<RuleLine<'_>> {
    let starts = line.match_indices(" [").map(|(at, _)| at + 1);
    let starts = starts.filter(|&at| ["[file \"", "[id \""].iter().any(|key| line[at..].starts_with(key)));
    let mut best: Option<(usize, usize, Run<'_>)> = None;
    let (mut end, mut runs) = (0, 0);
    for at in starts {
        if at < end || runs == RUNS_MAX {
            continue;
        }
        let run = Run::parse(&line[at..]);
        (end, runs) = (at + run.length, runs + 1);
        let keys = run.keys();
        if best.as_ref().is_none_or(|(most, ..)| keys > *most) {
            best = Some((keys, at, run));
        }
    }
    let (_, at, run) = best?;
    let rule_id = run.value("id")?.parse().ok()?;
    let (head, trailer) = (line[..at].trim_end(), &line[at + run.length..]);
    let (verdict, phase) = verdict(head);
    let verdict_end = phase.map_or(0, |(_, end)| end);
    let matched = head[verdict_end..].trim_start_matches("Warning.").trim_start();
    Some(RuleLine {
        denied: verdict.is_some(),
        status: verdict.unwrap_or_default(),
        hostname: run.text("hostname"),
        uri: run.text("uri"),
        unique_id: run.text("unique_id"),
        trailer,
        cut_off: run.cut_off,
        message: Message {
            matched: Cow::Borrowed(matched),
            rule_id,
            phase: phase.map_or(0, |(phase, _)| phase),
            message: run.text("msg"),
            data: run.text("data"),
            severity: run.value("severity").and_then(severity),
            tags: run.all("tag").take(TAGS_MAX).map(unescape).collect(),
            file: run.text("file"),
            line: run.value("line").and_then(|line| line.parse().ok()).unwrap_or_default(),
        },
    })
}

/// The status that a rule that stopped the transaction gave (0 if none), and the phase with the place
/// where its text ends.
fn verdict(head: &str) -> (Option<u16>, Option<(u8, usize)>) {
    let denied = ["Access denied", "Access dropped", "Access redirected"].iter().any(|word| head.starts_with(word));
    let status = ["with code ", "status "].iter().find_map(|before| {
        let (_, rest) = head.get(..64.min(head.len()))?.split_once(before)?;
        rest.get(..3)?.parse().ok()
    });
    let phase = head.find("(phase ").filter(|at| head.starts_with("Access") && *at < 256).and_then(|at| {
        let rest = &head[at + "(phase ".len()..];
        let phase = rest.bytes().next().filter(|byte| (b'1'..=b'5').contains(byte))? - b'0';
        let end = at + "(phase ".len() + rest.find(')')? + 1;
        Some((phase, end + head[end..].bytes().take_while(|byte| matches!(byte, b'.' | b' ')).count()))
    });
    (denied.then(|| status.unwrap_or_default()), phase)
}

/// Consecutive `[key "value"]`.
#[derive(Default)]
struct Run<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    length: usize,
    cut_off: bool,
}

impl<'a> Run<'a> {
    fn parse(text: &'a str) -> Self {
        let mut run = Run::default();
        let mut at = 0;
        while let Some(rest) = text[at..].strip_prefix('[') {
            let Some((key, value)) = rest.split_once(" \"") else {
                run.cut_off = rest.len() < 32 && !rest.contains(']');
                break;
            };
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                break;
            }
            let Some(end) = closing_quote(value) else {
                run.pairs.push((key, value));
                run.cut_off = true;
                run.length = text.len();
                return run;
            };
            let Some(after) = value[end + 1..].strip_prefix(']') else { break };
            run.pairs.push((key, &value[..end]));
            run.length = text.len() - after.len();
            // Coraza writes no space before its extra brackets, and two between sentences.
            at = text.len() - after.trim_start_matches(' ').len();
        }
        run
    }

    fn keys(&self) -> usize {
        KEYS.iter().filter(|key| self.value(key).is_some()).count()
    }

    fn all(&self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn text(&self, key: &str) -> Cow<'a, str> {
        self.value(key).map(unescape).unwrap_or_default()
    }
}

/// The first quote that is not escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index),
            _ => {}
        }
    }
    None
}

/// Takes away the escapes of quotes and backslashes. Other bytes stay as they are shown, `\xHH`.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escape = &rest[at..];
        let (text, length) = match escape.as_bytes().get(1..4) {
            Some([b'"', ..]) => ("\"", 2),
            Some([b'\\', ..]) => ("\\", 2),
            Some(b"x22") => ("\"", 4),
            Some(b"x5c") => ("\\", 4),
            _ => match escape.as_bytes().get(1) {
                Some(b'"') => ("\"", 2),
                Some(b'\\') => ("\\", 2),
                _ => ("\\", 1),
            },
        };
        plain.push_str(text);
        rest = &escape[length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// `GET /path HTTP/1.1` in three parts; a target may contain spaces if a client sent them.
pub(super) fn request_line(line: &str) -> (&str, &str, &str) {
    let line = line.trim_end();
    let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
    match rest.rsplit_once(' ').filter(|(_, last)| last.starts_with("HTTP/")) {
        Some((target, protocol)) => (method, target, protocol),
        None => (method, rest, ""),
    }
}

impl Message<'_> {
    /// The same, independent of the line.
    pub(super) fn owned(self) -> Message<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Message {
            matched: own(self.matched),
            rule_id: self.rule_id,
            phase: self.phase,
            message: own(self.message),
            data: own(self.data),
            severity: self.severity,
            tags: self.tags.into_iter().map(own).collect(),
            file: own(self.file),
            line: self.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"[file "/rules/R.conf"] [line "46"] [id "942100"] [rev ""] [msg "SQL \"x\""] [data "a \x22b\x22 \\ c"] [severity "CRITICAL"] [ver "OWASP_CRS/3.3.4"] [tag "attack-sqli"] [tag "paranoia-level/2"] [hostname "h"] [uri "/get"] [unique_id "u"]"#;

    #[test]
    fn a_line_is_taken_apart() {
        let line = format!("Access denied with code 403 (phase 2). detected SQLi using libinjection. {RUN}, client: 1");
        let parsed = parse(&line).unwrap();
        assert!(parsed.denied && !parsed.cut_off);
        assert_eq!((parsed.status, parsed.message.phase, parsed.message.rule_id), (403, 2, 942_100));
        assert_eq!((&*parsed.message.message, &*parsed.message.data), ("SQL \"x\"", "a \"b\" \\ c"));
        assert_eq!((&*parsed.unique_id, &*parsed.uri, parsed.trailer), ("u", "/get", ", client: 1"));
        assert_eq!((parsed.message.severity, parsed.message.line), (Some(2), 46));
        assert_eq!(parsed.message.tags, ["attack-sqli", "paranoia-level/2"]);
        assert_eq!(&*parsed.message.matched, "detected SQLi using libinjection.");
        let warning = format!("Warning. Pattern match \"x\" at ARGS:a. {RUN}");
        let parsed = parse(&warning).unwrap();
        assert!(!parsed.denied);
        assert_eq!(&*parsed.message.matched, "Pattern match \"x\" at ARGS:a.");
    }

    #[test]
    fn brackets_that_a_client_sends_are_not_taken_for_the_rules() {
        let forged = "[file \"\"] [line \"1\"] [id \"1\"] [unique_id \"v\"]";
        let line = format!("Warning. Matched (Value: `{forged}' ) {RUN}, client: 1, request: \"GET /? {forged}\"");
        let parsed = parse(&line).unwrap();
        assert_eq!((parsed.message.rule_id, &*parsed.unique_id), (942_100, "u"));
    }

    #[test]
    fn a_line_cut_off_keeps_what_is_whole() {
        let cut = &RUN[..RUN.find("attack-sqli").unwrap() + 4];
        let line = format!("Warning. x {cut}");
        let parsed = parse(&line).unwrap();
        assert!(parsed.cut_off && parsed.unique_id.is_empty());
        assert_eq!(parsed.message.rule_id, 942_100);
    }

    #[test]
    fn lines_without_a_rule_are_none_and_no_text_panics() {
        for line in ["", "Warning.", "configured.", "Warning. [id \"x\"]", "[id \"1\"", " [file \"", " [id \"\\"] {
            assert!(parse(line).is_none(), "{line}");
        }
        let line = format!("Access denied with code 403 (phase 2). é {RUN}");
        for end in (0..line.len()).filter(|&end| line.is_char_boundary(end)) {
            let _ = parse(&line[..end]);
            let _ = parse(&line[end..]);
        }
    }

    #[test]
    fn request_lines_have_three_parts() {
        assert_eq!(request_line("GET /a b HTTP/1.1"), ("GET", "/a b", "HTTP/1.1"));
        assert_eq!(request_line("GET /a"), ("GET", "/a", ""));
        assert_eq!(request_line(""), ("", "", ""));
    }
}
