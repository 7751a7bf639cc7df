//! Translates PCRE patterns, as rules write them, into the syntax of the `regex` family of crates.
//!
//! Both engines are run byte-oriented, without Unicode. What differs is spelling: `\x{hh}`, octal
//! and control escapes, `\h \v \R \Z \Q…\E`, a bare `{`, `[`, `&&`, `--` and `~~` inside classes,
//! `\<` and `\>` (word boundaries in newer `regex` versions, plain characters in PCRE) and raw bytes
//! above 0x7f. Constructs that need backtracking (look-around, back references, atomic groups,
//! possessive quantifiers) are kept and reported.

/// A translated pattern.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    /// In the syntax of `regex`/`fancy-regex`.
    pub(crate) pattern: String,
    /// Whether it needs a backtracking engine.
    pub(crate) backtracking: bool,
}

/// Translates a pattern; the error says what is not understood.
pub(crate) fn translate(pattern: &[u8]) -> Result<Translated, String> {
    let mut translator =
        Translator { input: pattern, at: 0, output: String::with_capacity(pattern.len() + 16), backtracking: false };
    translator.run()?;
    Ok(Translated { pattern: translator.output, backtracking: translator.backtracking })
}

struct Translator<'a> {
    input: &'a [u8],
    at: usize,
    output: String,
    backtracking: bool,
}

/// A member of a character class.
enum Member {
    Byte(u8),
    Set(&'static str),
    Posix(String),
}

const VERTICAL: &str = r"\n\x0b\x0c\r\x85";
const HORIZONTAL: &str = r"\t\x20\xa0";

impl Translator<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.input.get(self.at + ahead).copied()
    }

    fn run(&mut self) -> Result<(), String> {
        // Whether the last token was a quantifier, so that a following `+` makes it possessive.
        let mut quantifier = false;
        while let Some(byte) = self.peek(0) {
            let was_quantifier = std::mem::replace(&mut quantifier, false);
            match byte {
                b'\\' => self.escape()?,
                b'[' => self.class()?,
                b'(' => self.group()?,
                b'*' | b'+' | b'?' => {
                    if was_quantifier && byte == b'+' {
                        self.backtracking = true;
                    }
                    quantifier = !was_quantifier;
                    self.output.push(byte as char);
                    self.at += 1;
                }
                b'{' => match self.counted() {
                    Some(length) => {
                        let text = self.input.get(self.at..self.at + length).unwrap_or_default();
                        self.output.push_str(&String::from_utf8_lossy(text));
                        self.at += length;
                        quantifier = true;
                    }
                    None => {
                        self.output.push_str(r"\{");
                        self.at += 1;
                    }
                },
                b'}' | b']' => {
                    self.literal(byte);
                    self.at += 1;
                }
                b'|' | b')' | b'^' | b'$' | b'.' => {
                    self.output.push(byte as char);
                    self.at += 1;
                }
                other => {
                    self.literal(other);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    /// Length of a counted quantifier that begins here, if the brace is one.
    fn counted(&self) -> Option<usize> {
        let rest = self.input.get(self.at + 1..)?;
        let end = rest.iter().position(|byte| *byte == b'}')?;
        let inside = rest.get(..end)?;
        let mut parts = inside.splitn(2, |byte| *byte == b',');
        let first = parts.next()?;
        let second = parts.next().unwrap_or_default();
        let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        (!first.is_empty() && digits(first) && digits(second)).then_some(end + 2)
    }

    fn group(&mut self) -> Result<(), String> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"(?#") {
            let end = rest.iter().position(|byte| *byte == b')').ok_or("a comment (?#…) is not closed")?;
            self.at += end + 1;
            return Ok(());
        }
        const BACKTRACKING: [&[u8]; 8] = [b"(?=", b"(?!", b"(?<=", b"(?<!", b"(?>", b"(?(", b"(?P=", b"(?|"];
        if BACKTRACKING.iter().any(|start| rest.starts_with(start)) {
            self.backtracking = true;
        }
        // The head of the group is copied as it is, so that its `?`, `<`, `=` keep their meaning.
        let head = if rest.get(1) == Some(&b'?') {
            let mut length = 2;
            while let Some(byte) = rest.get(length) {
                length += 1;
                let named = rest.get(2) == Some(&b'<') || rest.get(2) == Some(&b'P');
                match byte {
                    b':' | b')' | b'=' | b'!' => break,
                    b'>' if length == 3 || named => break,
                    b'|' | b'(' => break,
                    _ => {}
                }
            }
            length
        } else {
            1
        };
        let text = rest.get(..head).unwrap_or(rest);
        self.output.push_str(&String::from_utf8_lossy(text));
        self.at += text.len();
        Ok(())
    }

    /// Appends a byte that stands for itself.
    fn literal(&mut self, byte: u8) {
        push_byte(&mut self.output, byte);
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.peek(1) else {
            return Err("the pattern ends in a lone backslash".to_owned());
        };
        match letter {
            b'1'..=b'9' => {
                self.backtracking = true;
                self.output.push('\\');
                self.output.push(letter as char);
                self.at += 2;
            }
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'A' | b'z' => {
                self.output.push('\\');
                self.output.push(letter as char);
                self.at += 2;
            }
            b'p' | b'P' => return Err(r"Unicode properties (\p) are not supported".to_owned()),
            b'G' | b'K' => {
                self.backtracking = true;
                self.output.push('\\');
                self.output.push(letter as char);
                self.at += 2;
            }
            b'Z' => self.replace(r"(?:\n?\z)"),
            b'R' => self.replace(r"(?:\r\n|[\n\x0b\x0c\r\x85])"),
            b'N' => self.replace(r"[^\n]"),
            b'h' => self.replace(&format!("[{HORIZONTAL}]")),
            b'H' => self.replace(&format!("[^{HORIZONTAL}]")),
            b'v' => self.replace(&format!("[{VERTICAL}]")),
            b'V' => self.replace(&format!("[^{VERTICAL}]")),
            b'E' => self.at += 2,
            b'Q' => {
                self.at += 2;
                while let Some(byte) = self.peek(0) {
                    if byte == b'\\' && self.peek(1) == Some(b'E') {
                        self.at += 2;
                        break;
                    }
                    self.literal(byte);
                    self.at += 1;
                }
            }
            _ => {
                let byte = self.escaped_byte()?;
                self.literal(byte);
            }
        }
        Ok(())
    }

    fn replace(&mut self, text: &str) {
        self.output.push_str(text);
        self.at += 2;
    }

    /// Reads an escape that stands for one byte; the cursor is on the backslash.
    fn escaped_byte(&mut self) -> Result<u8, String> {
        let letter = self.peek(1).ok_or("the pattern ends in a lone backslash")?;
        self.at += 2;
        Ok(match letter {
            b'a' => 7,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'c' => {
                let control = self.peek(0).ok_or(r"\c needs a character")?;
                self.at += 1;
                control.to_ascii_uppercase() ^ 0x40
            }
            b'x' if self.peek(0) == Some(b'{') => {
                let rest = self.input.get(self.at + 1..).unwrap_or_default();
                let end = rest.iter().position(|byte| *byte == b'}').ok_or(r"\x{ is not closed")?;
                let digits = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
                self.at += end + 2;
                u8::from_str_radix(&digits, 16)
                    .map_err(|_| format!(r"\x{{{digits}}} is not a byte; patterns are matched byte by byte"))?
            }
            b'x' => self.number(16, 2),
            b'0'..=b'7' => {
                self.at -= 1;
                self.number(8, 3)
            }
            other => other,
        })
    }

    /// Reads up to `most` digits; none means zero.
    fn number(&mut self, radix: u32, most: usize) -> u8 {
        let mut value = 0u32;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|byte| (byte as char).to_digit(radix)) else { break };
            value = value * radix + digit;
            self.at += 1;
        }
        (value & 0xff) as u8
    }

    fn class(&mut self) -> Result<(), String> {
        self.output.push('[');
        self.at += 1;
        if self.peek(0) == Some(b'^') {
            self.output.push('^');
            self.at += 1;
        }
        let mut first = true;
        loop {
            let Some(byte) = self.peek(0) else { return Err("a character class [ is not closed".to_owned()) };
            if byte == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            let Some(member) = self.member()? else { continue };
            let range = self.peek(0) == Some(b'-') && !matches!(self.peek(1), None | Some(b']'));
            match member {
                Member::Byte(low) if range => {
                    self.at += 1;
                    match self.member()? {
                        Some(Member::Byte(high)) if high >= low => {
                            push_byte(&mut self.output, low);
                            self.output.push('-');
                            push_byte(&mut self.output, high);
                        }
                        Some(Member::Byte(_)) => return Err("a range in a character class is out of order".to_owned()),
                        Some(set) => {
                            push_byte(&mut self.output, low);
                            push_byte(&mut self.output, b'-');
                            self.push_member(set);
                        }
                        None => push_byte(&mut self.output, low),
                    }
                }
                other => self.push_member(other),
            }
        }
        self.output.push(']');
        Ok(())
    }

    fn push_member(&mut self, member: Member) {
        match member {
            Member::Byte(byte) => push_byte(&mut self.output, byte),
            Member::Set(text) => self.output.push_str(text),
            Member::Posix(text) => self.output.push_str(&text),
        }
    }

    /// Reads one member of a class; `None` for `\E`, which is nothing.
    fn member(&mut self) -> Result<Option<Member>, String> {
        let Some(byte) = self.peek(0) else { return Err("a character class [ is not closed".to_owned()) };
        if byte == b'[' && self.peek(1) == Some(b':') {
            let rest = self.input.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.windows(2).position(|pair| pair == b":]") {
                let name = rest.get(..end + 2).unwrap_or_default();
                if end > 2
                    && name.get(2..end).is_some_and(|name| name.iter().all(|b| b.is_ascii_lowercase() || *b == b'^'))
                {
                    self.at += end + 2;
                    return Ok(Some(Member::Posix(String::from_utf8_lossy(name).into_owned())));
                }
            }
        }
        if byte != b'\\' {
            self.at += 1;
            return Ok(Some(Member::Byte(byte)));
        }
        let set = match self.peek(1) {
            Some(b'd') => r"\d",
            Some(b'D') => r"\D",
            Some(b'w') => r"\w",
            Some(b'W') => r"\W",
            Some(b's') => r"\s",
            Some(b'S') => r"\S",
            Some(b'h') => HORIZONTAL,
            Some(b'v') => VERTICAL,
            Some(b'p' | b'P') => return Err(r"Unicode properties (\p) are not supported".to_owned()),
            Some(b'b') => {
                self.at += 2;
                return Ok(Some(Member::Byte(8)));
            }
            Some(b'E' | b'Q') => {
                self.at += 2;
                return Ok(None);
            }
            _ => return self.escaped_byte().map(|byte| Some(Member::Byte(byte))),
        };
        self.at += 2;
        Ok(Some(Member::Set(set)))
    }
}

/// Appends a byte so that neither engine can read a meaning into it.
fn push_byte(output: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || byte == b'_' {
        output.push(byte as char);
    } else {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        output.push_str(r"\x");
        output.push(HEX[usize::from(byte >> 4)] as char);
        output.push(HEX[usize::from(byte & 15)] as char);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(pattern: &str) -> String {
        let translated = translate(pattern.as_bytes()).unwrap();
        assert!(!translated.backtracking, "{pattern}");
        translated.pattern
    }

    #[test]
    fn spellings_of_pcre_become_spellings_of_regex() {
        assert_eq!(linear(r"\x{c2}"), r"\xc2");
        assert_eq!(linear(r"a{b"), r"a\{b");
        assert_eq!(linear(r"a{2,3}b{4}"), r"a{2,3}b{4}");
        assert_eq!(linear(r"[[x]"), r"[\x5bx]");
        assert_eq!(linear(r"[]a]"), r"[\x5da]");
        assert_eq!(linear(r"[\w-.]"), r"[\w\x2d\x2e]");
        assert_eq!(linear(r"[+--]"), r"[\x2b-\x2d]");
        assert_eq!(linear(r"\<a\>"), r"\x3ca\x3e");
        assert_eq!(linear(r"[[:alpha:]&&]"), r"[[:alpha:]\x26\x26]");
        assert_eq!(linear("´"), r"\xc2\xb4");
        assert_eq!(linear(r"(?i:a)(?s)b(?P<n>c)(?<m>d)"), r"(?i:a)(?s)b(?P<n>c)(?<m>d)");
        assert_eq!(linear(r"\Qa.b\Ec"), r"a\x2ebc");
        assert_eq!(linear(r"a\0b\012"), r"a\x00b\x0a");
    }

    #[test]
    fn what_needs_backtracking_is_reported() {
        for pattern in [r"(?=a)", r"(?!a)", r"(?<=a)", r"(?<!a)", r"(?>a)", r"(a)\1", r"a++", r"a*+", r"a{2}+"] {
            assert!(translate(pattern.as_bytes()).unwrap().backtracking, "{pattern}");
        }
        assert!(!translate(br"a+?b*?").unwrap().backtracking);
    }

    #[test]
    fn broken_patterns_are_errors_not_panics() {
        for pattern in [&b"["[..], b"[a", b"\\", b"\\x{zz}", b"(?#", b"[b-a]", b"\\c", b"\\p{L}"] {
            assert!(translate(pattern).is_err(), "{}", String::from_utf8_lossy(pattern));
        }
    }
}
