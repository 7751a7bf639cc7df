//! Splits command lines into words as a shell does, without doing anything a shell does beyond that.
//!
//! POSIX quoting with the `$'…'` of bash, which browsers copy; and the quoting of the Windows command
//! prompt, where `^` takes the place of the backslash. Expansions are refused: nothing here knows what
//! they would come to.

use super::Wrong;

/// A word and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: Vec<u8>,
    pub(super) offset: usize,
}

/// Splits a text into commands. What follows `|` is left out, and so are redirections.
pub(super) fn commands(text: &[u8]) -> Result<Vec<Vec<Word>>, Wrong> {
    let is_windows = [&b"^\n"[..], b"^\r\n", b"^\""].iter().any(|sign| contains(text, sign));
    let mut splitter =
        Splitter { text, at: 0, is_windows, commands: vec![Vec::new()], word: None, skip: Skip::Nothing };
    splitter.run()?;
    let mut commands = splitter.commands;
    commands.retain(|command| !command.is_empty());
    Ok(commands)
}

fn contains(text: &[u8], sign: &[u8]) -> bool {
    text.windows(sign.len()).any(|window| window == sign)
}

/// What is left out of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// The next word: the file of a redirection.
    Word,
    /// Everything up to the end of the command.
    Command,
}

pub(super) struct Splitter<'a> {
    text: &'a [u8],
    pub(super) at: usize,
    is_windows: bool,
    commands: Vec<Vec<Word>>,
    word: Option<Word>,
    skip: Skip,
}

impl Splitter<'_> {
    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    pub(super) fn wrong(&self, offset: usize, message: impl Into<String>) -> Wrong {
        Wrong::at(self.text, offset, message)
    }

    pub(super) fn push(&mut self, byte: u8) {
        let offset = self.at;
        self.word.get_or_insert_with(|| Word { text: Vec::new(), offset }).text.push(byte);
    }

    /// Begins a word that may stay empty: quotes make one.
    pub(super) fn begin(&mut self) {
        let offset = self.at;
        self.word.get_or_insert_with(|| Word { text: Vec::new(), offset });
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match self.skip {
            Skip::Nothing => {
                if let Some(command) = self.commands.last_mut() {
                    command.push(word);
                }
            }
            Skip::Word => self.skip = Skip::Nothing,
            Skip::Command => {}
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.skip = Skip::Nothing;
        if self.commands.last().is_some_and(|command| !command.is_empty()) {
            self.commands.push(Vec::new());
        }
    }

    fn run(&mut self) -> Result<(), Wrong> {
        while let Some(byte) = self.peek(0) {
            let escape = if self.is_windows { b'^' } else { b'\\' };
            match byte {
                byte if byte == escape => self.escaped(),
                b' ' | b'\t' | b'\r' => {
                    self.end_word();
                    self.at += 1;
                }
                b'\n' | b';' | b'&' => {
                    self.end_command();
                    self.at += 1;
                }
                b'|' => {
                    self.end_word();
                    self.skip = Skip::Command;
                    self.at += 1;
                }
                b'>' | b'<' => self.redirection(),
                b'#' if self.word.is_none() && !self.is_windows => {
                    self.at += self.text.iter().skip(self.at).take_while(|byte| **byte != b'\n').count();
                }
                b'"' if self.is_windows => self.windows_quotes()?,
                b'"' => self.double_quotes()?,
                b'\'' if !self.is_windows => self.single_quotes()?,
                b'$' if self.peek(1) == Some(b'\'') && !self.is_windows => self.ansi_quotes()?,
                b'$' | b'`' if !self.is_windows => self.dollar()?,
                other => {
                    self.push(other);
                    self.at += 1;
                }
            }
        }
        self.end_word();
        Ok(())
    }

    /// The byte after a backslash or caret; a line end after it continues the line.
    fn escaped(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some(b'\n'), _) => self.at += 2,
            (Some(b'\r'), Some(b'\n')) => self.at += 3,
            (Some(b'"'), _) if self.is_windows => {
                // `^"` is a quote like any other; the text within it is escaped as well.
                self.at += 1;
                self.caret_quotes();
            }
            (Some(byte), _) => {
                self.push(byte);
                self.at += 2;
            }
            (None, _) => self.at += 1,
        }
    }

    fn redirection(&mut self) {
        // The number before it names what is redirected.
        if self.word.as_ref().is_some_and(|word| word.text.iter().all(u8::is_ascii_digit)) {
            self.word = None;
        }
        self.end_word();
        while matches!(self.peek(0), Some(b'>' | b'<' | b'&')) {
            self.at += 1;
        }
        if self.skip == Skip::Nothing {
            self.skip = Skip::Word;
        }
    }

    fn single_quotes(&mut self) -> Result<(), Wrong> {
        self.begin();
        let open = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(self.wrong(open, "this quote is never closed")),
                Some(b'\'') => break,
                Some(byte) => self.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn double_quotes(&mut self) -> Result<(), Wrong> {
        self.begin();
        let open = self.at;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err(self.wrong(open, "this quote is never closed")),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'\\'), Some(byte @ (b'"' | b'\\' | b'$' | b'`'))) => {
                    self.push(byte);
                    self.at += 2;
                }
                (Some(b'$' | b'`'), _) => self.dollar()?,
                (Some(byte), _) => {
                    self.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A `$` that stands for itself, or is refused.
    fn dollar(&mut self) -> Result<(), Wrong> {
        let expands = self.peek(0) == Some(b'`')
            || self.peek(1).is_some_and(|next| next.is_ascii_alphanumeric() || b"_({!@*#?$-".contains(&next));
        if expands {
            let message = "a shell would put something else here; write what it is, or use single quotes";
            return Err(self.wrong(self.at, message));
        }
        self.push(b'$');
        self.at += 1;
        Ok(())
    }

    /// `$'…'` with the escapes of bash.
    fn ansi_quotes(&mut self) -> Result<(), Wrong> {
        self.begin();
        let open = self.at;
        self.at += 2;
        loop {
            match self.peek(0) {
                None => return Err(self.wrong(open, "this quote is never closed")),
                Some(b'\'') => break,
                Some(b'\\') => self.ansi_escape(),
                Some(byte) => {
                    self.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    fn ansi_escape(&mut self) {
        let Some(kind) = self.peek(1) else {
            self.push(b'\\');
            self.at += 1;
            return;
        };
        let simple = match kind {
            b'a' => Some(7),
            b'b' => Some(8),
            b'e' | b'E' => Some(0x1b),
            b'f' => Some(0x0c),
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            b'v' => Some(0x0b),
            b'\\' | b'\'' | b'"' | b'?' => Some(kind),
            _ => None,
        };
        if let Some(byte) = simple {
            self.push(byte);
            self.at += 2;
            return;
        }
        let (skip, most, radix) = match kind {
            b'x' => (2, 2, 16),
            b'u' => (2, 4, 16),
            b'U' => (2, 8, 16),
            b'0'..=b'7' => (1, 3, 8),
            _ => (1, 0, 8),
        };
        let digits = self.text.iter().skip(self.at + skip).take(most);
        let digits: String = digits.map(|byte| char::from(*byte)).take_while(|digit| digit.is_digit(radix)).collect();
        match u32::from_str_radix(&digits, radix) {
            Ok(code) if matches!(kind, b'u' | b'U') => {
                let mut utf8 = [0; 4];
                let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8);
                text.bytes().for_each(|byte| self.push(byte));
            }
            // Three octal digits may say more than a byte holds; bash keeps the low bits.
            Ok(code) => self.push((code & 0xff) as u8),
            Err(_) => {
                self.push(b'\\');
                self.at += 1;
                return;
            }
        }
        self.at += skip + digits.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let commands = commands(text.as_bytes()).unwrap();
        let text = |word: &Word| String::from_utf8(word.text.clone()).unwrap();
        commands.iter().map(|command| command.iter().map(text).collect()).collect()
    }

    #[test]
    fn words_are_split_and_quotes_taken_off() {
        assert_eq!(words("curl 'a b'\"c d\"e\\ f ''"), [["curl", "a bc de f", ""]]);
        assert_eq!(words("curl \\\n  -d \"x=\\\"1\\\" \\n\""), [["curl", "-d", "x=\"1\" \\n"]]);
        assert_eq!(words("curl x?a=b#c # comment\n# another"), [["curl", "x?a=b#c"]]);
        assert_eq!(words("curl '$x `y`' a$ \"5$\""), [["curl", "$x `y`", "a$", "5$"]]);
    }

    #[test]
    fn ansi_quotes_have_the_escapes_of_bash() {
        let text = r"curl $'a\'b\u0021\x41\101\n\\\z\u00e9'";
        assert_eq!(words(text), [["curl", "a'b!AA\n\\\\zé"]]);
        assert_eq!(commands(b"$'\\xff\\777\\x'").unwrap()[0][0].text, b"\xff\xff\\x");
    }

    #[test]
    fn several_commands_pipes_and_redirections() {
        let text = "curl a ; curl b 2>/dev/null -v | jq . -r\ncurl c > out.txt && curl d &";
        assert_eq!(words(text), [vec!["curl", "a"], vec!["curl", "b", "-v"], vec!["curl", "c"], vec!["curl", "d"]]);
    }

    #[test]
    fn the_windows_prompt_is_understood() {
        let text = "curl ^\"https://x/?a=1^&b=^%^3C^\" ^\r\n  -H ^\"content-type: application/json^\" ^\r\n  --data-raw ^\"^{^\\^\"q^\\^\":^\\^\"a b^\\^\"^}^\"";
        assert_eq!(
            words(text),
            [["curl", "https://x/?a=1&b=%3C", "-H", "content-type: application/json", "--data-raw", "{\"q\":\"a b\"}"]]
        );
        assert_eq!(words("curl \"a\\\"b$x\" ^\n -v"), [["curl", "a\"b$x", "-v"]]);
    }

    #[test]
    fn expansions_and_open_quotes_are_refused_with_their_place() {
        let place = |text: &str| {
            let wrong = commands(text.as_bytes()).unwrap_err();
            (wrong.line, wrong.column)
        };
        assert_eq!(place("curl \\\n \"$HOST/x\""), (2, 3));
        assert_eq!(place("curl $(cat x)"), (1, 6));
        assert_eq!(place("curl `cat x`"), (1, 6));
        assert_eq!(place("curl 'abc"), (1, 6));
        assert_eq!(place("curl $'abc\\'"), (1, 6));
    }

    #[test]
    fn damaged_commands_never_panic() {
        let whole = br#"curl 'a' "b\"c" $'d\u00e9\x4' \ ^" ; e | f > g # h"#;
        for end in 0..whole.len() {
            let _ = commands(&whole[..end]);
            let mut damaged = whole.to_vec();
            damaged[end] = b'\\';
            let _ = commands(&damaged);
            damaged[end] = b'\'';
            let _ = commands(&damaged);
        }
    }
}
