//! Quotes of the Windows command prompt.

use super::Wrong;
use super::shell::Splitter;

impl Splitter<'_> {
    /// `"…"` of the Windows prompt: a backslash escapes a quote and itself before one.
    pub(super) fn windows_quotes(&mut self) -> Result<(), Wrong> {
        self.begin();
        let open = self.at;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err(self.wrong(open, "this quote is never closed")),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(byte @ (b'"' | b'\\'))) => {
                    self.push(byte);
                    self.at += 2;
                }
                (Some(byte), _) => {
                    self.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `^"…^"` as browsers copy it: carets escape, a backslash before a quote escapes that.
    pub(super) fn caret_quotes(&mut self) {
        self.begin();
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1), self.peek(2), self.peek(3)) {
                (None, ..) => break,
                // `^\^"` is a quote within the text.
                (Some(b'^'), Some(b'\\'), Some(b'^'), Some(b'"')) => {
                    self.push(b'"');
                    self.at += 4;
                }
                (Some(b'\\'), Some(b'"'), ..) => {
                    self.push(b'"');
                    self.at += 2;
                }
                (Some(b'\\'), Some(b'^'), Some(b'"'), _) => {
                    self.push(b'"');
                    self.at += 3;
                }
                (Some(b'^'), Some(b'"'), ..) => {
                    self.at += 2;
                    break;
                }
                (Some(b'^'), Some(b'\n'), Some(b'\n'), _) => {
                    // An empty line after a caret is a line end in the text.
                    self.push(b'\n');
                    self.at += 3;
                }
                (Some(b'^'), Some(b'\r'), Some(b'\n'), _) => self.at += 3,
                (Some(b'^'), Some(b'\n'), ..) => self.at += 2,
                (Some(b'^'), Some(byte), ..) => {
                    self.push(byte);
                    self.at += 2;
                }
                (Some(byte), ..) => {
                    self.push(byte);
                    self.at += 1;
                }
            }
        }
    }
}
