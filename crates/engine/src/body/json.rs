//! JSON bodies, flattened to `json.a.array_0` names as libmodsecurity does.
//!
//! Source of the grammar: RFC 8259. The parser is a loop over one explicit stack. Duplicate members
//! are all reported, numbers keep their text, a scalar document is named `json`, and what was found
//! before an error has been reported by then.

use memchr::memchr2;

use crate::transformations::any;

/// Why a JSON body is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// What is wrong, for `REQBODY_ERROR_MSG`.
    pub(crate) message: String,
    /// Offset of the byte it was noticed at.
    pub(crate) offset: usize,
}

/// Calls `sink(name, value)` for each scalar, duplicates and partial results included; the sink
/// returns whether to go on.
///
/// `null` is reported with an empty value, and so is a member that is an array or an empty object: its
/// name alone may be an attack, and would otherwise only be part of other names. Invalid UTF-8, control characters
/// and unknown escapes in a string are errors that do not end the parse: the first of them is
/// returned when the rest has been read.
pub(crate) fn parse(
    input: &[u8],
    max_depth: usize,
    sink: &mut impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), JsonError> {
    let mut parser = Parser {
        input,
        at: if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 },
        path: b"json".to_vec(),
        stack: Vec::new(),
        max_depth,
        text: Vec::new(),
        doubt: None,
    };
    parser.document(sink)?;
    parser.doubt.map_or(Ok(()), Err)
}

/// An open object or array.
struct Container {
    /// The index of the next element of an array.
    array: Option<u64>,
    /// Length of the path that names the container.
    path: usize,
}

/// What is expected next.
enum Expected {
    Value,
    FirstMember,
    Member,
    FirstElement,
    AfterValue,
}

struct Parser<'a> {
    input: &'a [u8],
    at: usize,
    path: Vec<u8>,
    stack: Vec<Container>,
    max_depth: usize,
    /// The last string that had to be decoded.
    text: Vec<u8>,
    /// The first error that did not end the parse.
    doubt: Option<JsonError>,
}

impl<'a> Parser<'a> {
    fn document(&mut self, sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), JsonError> {
        let mut expected = Expected::Value;
        loop {
            self.skip_space();
            let byte = self.input.get(self.at).copied();
            expected = match (expected, byte) {
                (Expected::FirstMember, Some(b'}')) | (Expected::FirstElement, Some(b']')) => {
                    self.at += 1;
                    self.stack.pop();
                    if byte == Some(b'}') && self.in_object() && !sink(&self.path, b"") {
                        return Ok(());
                    }
                    Expected::AfterValue
                }
                (Expected::FirstMember | Expected::Member, Some(b'"')) => self.member()?,
                (Expected::FirstMember | Expected::Member, _) => return Err(self.error("a member name is expected")),
                (Expected::FirstElement, _) => {
                    self.enter_element();
                    Expected::Value
                }
                (Expected::Value, Some(b'{')) => self.open(false)?,
                (Expected::Value, Some(b'[')) => {
                    if self.in_object() && !sink(&self.path, b"") {
                        return Ok(());
                    }
                    self.open(true)?
                }
                (Expected::Value, _) => {
                    if !self.scalar(sink)? {
                        return Ok(());
                    }
                    Expected::AfterValue
                }
                (Expected::AfterValue, byte) => {
                    let Some(container) = self.stack.last() else {
                        return if byte.is_none() { Ok(()) } else { Err(self.error("bytes follow the document")) };
                    };
                    let array = container.array.is_some();
                    self.path.truncate(container.path);
                    self.at += 1;
                    match (array, byte) {
                        (true, Some(b',')) => {
                            self.enter_element();
                            Expected::Value
                        }
                        (false, Some(b',')) => Expected::Member,
                        (true, Some(b']')) | (false, Some(b'}')) => {
                            self.stack.pop();
                            Expected::AfterValue
                        }
                        _ => {
                            self.at -= 1;
                            return Err(self.error("a comma or the end of the container is expected"));
                        }
                    }
                }
            };
        }
    }

    /// Whether the value at hand is a member of an object.
    fn in_object(&self) -> bool {
        self.stack.last().is_some_and(|container| container.array.is_none())
    }

    /// Opens the container at the current byte; it is named by the path as it stands.
    fn open(&mut self, array: bool) -> Result<Expected, JsonError> {
        if self.stack.len() >= self.max_depth {
            return Err(self.error("containers are nested too deeply"));
        }
        self.at += 1;
        self.stack.push(Container { array: array.then_some(0), path: self.path.len() });
        Ok(if array { Expected::FirstElement } else { Expected::FirstMember })
    }

    /// Extends the path by the next element of the innermost array.
    fn enter_element(&mut self) {
        if let Some(Container { array: Some(index), path }) = self.stack.last_mut() {
            self.path.truncate(*path);
            self.path.extend_from_slice(b".array_");
            self.path.extend_from_slice(index.to_string().as_bytes());
            *index += 1;
        }
    }

    /// Reads `"name" :` and extends the path by it.
    fn member(&mut self) -> Result<Expected, JsonError> {
        let decoded = self.string()?;
        if let Some(container) = self.stack.last() {
            self.path.truncate(container.path);
        }
        self.path.push(b'.');
        let name = decoded.unwrap_or(&self.text);
        self.path.extend_from_slice(if name.is_empty() { b"empty-key" } else { name });
        self.skip_space();
        if self.input.get(self.at) != Some(&b':') {
            return Err(self.error("a colon is expected"));
        }
        self.at += 1;
        Ok(Expected::Value)
    }

    /// Reads a string, number or literal and reports it.
    fn scalar(&mut self, sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> Result<bool, JsonError> {
        let rest = &self.input[self.at..];
        let (length, value): (usize, &[u8]) = match rest {
            [b'"', ..] => {
                let raw = self.string();
                // Also what there is of a string that is not closed.
                let go_on = sink(&self.path, raw.as_ref().ok().copied().flatten().unwrap_or(&self.text));
                return raw.map(|_| go_on);
            }
            [b'-' | b'0'..=b'9', ..] => {
                let length = number(rest).ok_or_else(|| self.error("a number is malformed"))?;
                (length, &rest[..length])
            }
            [b't', b'r', b'u', b'e', ..] => (4, b"true"),
            [b'f', b'a', b'l', b's', b'e', ..] => (5, b"false"),
            [b'n', b'u', b'l', b'l', ..] => (4, b""),
            [] => return Err(self.error("the document ends too early")),
            _ => return Err(self.error("a value is expected")),
        };
        self.at += length;
        Ok(sink(&self.path, value))
    }

    /// Reads the string that starts at the current byte. `None`: it was decoded into `text`.
    fn string(&mut self) -> Result<Option<&'a [u8]>, JsonError> {
        let start = self.at + 1;
        let mut from = start;
        let mut escaped = false;
        self.text.clear();
        loop {
            let found = memchr2(b'"', b'\\', self.input.get(from..).unwrap_or_default()).map(|offset| from + offset);
            let Some(found) = found else {
                self.text.extend_from_slice(self.input.get(from..).unwrap_or_default());
                self.at = self.input.len();
                return Err(self.error("a string is not closed"));
            };
            let plain = &self.input[from..found];
            if any(plain, |byte| !(0x20..0x80).contains(&byte)) {
                self.inspect(plain, from);
            }
            if self.input[found] == b'"' {
                self.at = found + 1;
                if !escaped {
                    return Ok(Some(plain));
                }
                self.text.extend_from_slice(plain);
                return Ok(None);
            }
            escaped = true;
            self.text.extend_from_slice(plain);
            from = self.escape(found);
        }
    }

    /// Notes what is doubtful about a part of a string that is not plain ASCII.
    fn inspect(&mut self, text: &[u8], offset: usize) {
        if any(text, |byte| byte < 0x20) {
            self.note("a string contains a control character", offset);
        }
        if let Err(error) = std::str::from_utf8(text) {
            self.note("a string is not valid UTF-8", offset + error.valid_up_to());
        }
    }

    /// Decodes the escape whose backslash stands at `found`; returns where it ends.
    fn escape(&mut self, found: usize) -> usize {
        let byte = match self.input.get(found + 1) {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'u') => return self.unicode_escape(found),
            Some(&byte) => {
                self.note("a string contains an unknown escape", found);
                byte
            }
            None => return found + 1,
        };
        self.text.push(byte);
        found + 2
    }

    /// Decodes `\uHHHH`, also a surrogate pair; half a pair becomes `?`.
    fn unicode_escape(&mut self, found: usize) -> usize {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.input.get(at..at + 6)?;
            let digits = digits.strip_prefix(b"\\u")?;
            digits.iter().try_fold(0, |unit, &byte| Some(unit << 4 | char::from(byte).to_digit(16)?))
        };
        let Some(first) = unit(found) else {
            self.note("a string contains a malformed \\u escape", found);
            self.text.push(b'u');
            return found + 2;
        };
        let mut end = found + 6;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first)
            && let Some(second @ 0xdc00..=0xdfff) = unit(end)
        {
            code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            end += 6;
        }
        let character = char::from_u32(code).unwrap_or('?');
        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        end
    }

    fn skip_space(&mut self) {
        while matches!(self.input.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, message: &str) -> JsonError {
        JsonError { message: message.to_owned(), offset: self.at }
    }

    fn note(&mut self, message: &str, offset: usize) {
        if self.doubt.is_none() {
            self.doubt = Some(JsonError { message: message.to_owned(), offset });
        }
    }
}

/// The length of the number at the start of `text`, if it is one.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> (Vec<String>, Option<JsonError>) {
        let mut found = Vec::new();
        let result = parse(input, 20, &mut |name, value| {
            found.push(format!("{}={}", name.escape_ascii(), value.escape_ascii()));
            true
        });
        (found, result.err())
    }

    fn valid(input: &str) -> Vec<String> {
        let (found, error) = read(input.as_bytes());
        assert_eq!(error, None, "{input}");
        found
    }

    #[test]
    fn names_are_those_of_libmodsecurity() {
        assert_eq!(
            valid(r#" {"a":{"b":"c"},"d":[1,{"e":-2.50e+3},[true,null]],"":false} "#),
            [
                "json.a.b=c",
                "json.d=",
                "json.d.array_0=1",
                "json.d.array_1.e=-2.50e+3",
                "json.d.array_2.array_0=true",
                "json.d.array_2.array_1=",
                "json.empty-key=false"
            ]
        );
        assert_eq!(valid(r#"[[["x"]],{"y":1}]"#), ["json.array_0.array_0.array_0=x", "json.array_1.y=1"]);
        assert_eq!(valid(r#"[{},[],{"a":{}},2]"#), ["json.array_2.a=", "json.array_3=2"]);
    }

    #[test]
    fn duplicate_members_and_root_scalars_are_inspected() {
        assert_eq!(valid(r#"{"a":1,"a":"<script>"}"#), ["json.a=1", "json.a=<script>"]);
        assert_eq!(valid("\"<script>\""), ["json=<script>"]);
        assert_eq!(valid("-0.1"), ["json=-0.1"]);
        assert_eq!(valid("{}"), Vec::<String>::new());
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(valid(r#"["\u003cscript\u003e\n\/\"\\"]"#), [r#"json.array_0=<script>\n/\"\\"#]);
        assert_eq!(valid(r#"["\ud83d\ude00\ud83d\u0041"]"#), [r"json.array_0=\xf0\x9f\x98\x80?A"]);
    }

    #[test]
    fn what_precedes_an_error_is_reported() {
        for (input, message) in [
            (r#"{"a":"x"} trailing"#, "bytes follow"),
            (r#"{"a":"x","b"}"#, "colon"),
            (r#"{"a":"x",}"#, "member name"),
            (r#"{"a":"x""#, "comma"),
            (r#"{"a":"x","b":01}"#, "number"),
            (r#"{"a":"x","b":tru}"#, "value"),
            (r#"{"a":"x","b":"#, "too early"),
        ] {
            let (found, error) = read(input.as_bytes());
            assert_eq!(found, ["json.a=x"], "{input}");
            let error = error.unwrap();
            assert!(error.message.contains(message), "{input}: {}", error.message);
        }
        let (found, error) = read(br#"{"a":"x\n","b":"\tunclosed"#);
        assert_eq!(found, [r"json.a=x\n", r"json.b=\tunclosed"]);
        assert!(error.unwrap().message.contains("not closed"));
        assert!(read(b"").1.is_some());
    }

    #[test]
    fn doubtful_strings_are_reported_and_do_not_blind_the_rest() {
        for input in
            [&b"[\"\xff\",\"rest\"]"[..], b"[\"\x01\",\"rest\"]", b"[\"\\q\",\"rest\"]", b"[\"\\u00g0\",\"rest\"]"]
        {
            let (found, error) = read(input);
            assert_eq!(found.last().map(String::as_str), Some("json.array_1=rest"), "{}", input.escape_ascii());
            assert!(error.is_some(), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = "[".repeat(1_000_000);
        let (_, error) = read(deep.as_bytes());
        assert!(error.unwrap().message.contains("nested"));
    }

    #[test]
    fn a_huge_key_is_kept() {
        let input = format!("{{\"{}\":1}}", "k".repeat(100_000));
        assert_eq!(valid(&input)[0].len(), "json.=1".len() + 100_000);
    }
}
