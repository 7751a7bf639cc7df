//! `multipart/form-data` bodies, with every doubt that libmodsecurity's parser has.
//!
//! Source of the behaviour: `multipart.cc` of libmodsecurity v3 and RFC 7578. The body is read line by
//! line, as every lenient server does; whatever a server might read differently raises a flag or is
//! an error. Unlike libmodsecurity, the parser goes on after an error and reports parts that are
//! malformed or not closed, so that their content is inspected.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::multipart_boundary::{self, Boundary};
use super::multipart_disposition;

/// The longest header line, unfolded, as in libmodsecurity.
const MAX_HEADER: usize = 4096;

/// Header lines of one part at most.
const MAX_HEADERS: usize = 64;

/// What was odd about a multipart body; each is the `MULTIPART_*` variable of that name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The boundary parameter is quoted.
    pub(crate) boundary_quoted: bool,
    /// White space around the `=` of the boundary parameter.
    pub(crate) boundary_whitespace: bool,
    /// Both CRLF and bare LF end lines.
    pub(crate) crlf_lf_lines: bool,
    /// Bytes follow the final boundary.
    pub(crate) data_after: bool,
    /// Bytes precede the first boundary.
    pub(crate) data_before: bool,
    /// More files than allowed.
    pub(crate) file_limit_exceeded: bool,
    /// A part header is folded.
    pub(crate) header_folding: bool,
    /// A part header is folded with something else than space or tab.
    pub(crate) invalid_header_folding: bool,
    /// A part has no name.
    pub(crate) invalid_part: bool,
    /// A single quote where a double quote belongs.
    pub(crate) invalid_quoting: bool,
    /// A bare LF ends a line.
    pub(crate) lf_line: bool,
    /// No semicolon before the boundary parameter.
    pub(crate) missing_semicolon: bool,
    /// 1: a line looks like a boundary and is not; 2: the same, but a real boundary followed.
    pub(crate) unmatched_boundary: u8,
}

/// One part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// `name` of its Content-Disposition; empty if it has none.
    pub(crate) name: Vec<u8>,
    /// `filename`; a part that has one, or `filename*`, is a file.
    pub(crate) filename: Option<Vec<u8>>,
    /// `filename*` (RFC 5987), decoded, where it says something else than `filename`.
    pub(crate) filename_extended: Option<Vec<u8>>,
    /// Header lines (`Name: value`), unfolded.
    pub(crate) headers: Vec<Vec<u8>>,
    /// Where its content lies in the body.
    pub(crate) content: Range<usize>,
}

impl Part {
    /// Whether the part is a file and not a field.
    pub(crate) fn is_file(&self) -> bool {
        self.filename.is_some() || self.filename_extended.is_some()
    }
}

/// Everything found in a multipart body.
#[derive(Debug, Default)]
pub(crate) struct MultipartOutcome {
    /// Doubts.
    pub(crate) flags: Flags,
    /// Parts in order, also malformed ones.
    pub(crate) parts: Vec<Part>,
    /// The first error, for `REQBODY_ERROR_MSG`.
    pub(crate) error: Option<String>,
}

/// Bounds of the parser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Parts at most.
    pub(crate) parts: usize,
    /// Files at most (`SecUploadFileLimit`).
    pub(crate) files: usize,
}

/// Parses a whole body; `content_type` is the value of the Content-Type header.
pub(crate) fn parse(body: &[u8], content_type: &[u8], limits: Limits) -> MultipartOutcome {
    let mut outcome = MultipartOutcome::default();
    let boundary = match multipart_boundary::parse(content_type, &mut outcome.flags) {
        Ok(boundary) => boundary,
        Err(message) => {
            outcome.error = Some(message.to_owned());
            return outcome;
        }
    };
    let mut parser = Parser {
        body,
        outcome,
        limits,
        part: None,
        in_headers: false,
        boundaries: 0,
        complete: false,
        files: 0,
        crlf_line: false,
    };
    parser.lines(&boundary);
    parser.finish()
}

/// What a line that begins with two dashes is.
enum Mark {
    /// A boundary, possibly the final one, with its line end.
    Boundary { last: bool },
    /// It begins like a boundary and does not end like one.
    Invalid,
    /// Something else.
    Other,
}

struct Parser<'a> {
    body: &'a [u8],
    outcome: MultipartOutcome,
    limits: Limits,
    /// The part that is being read.
    part: Option<Part>,
    in_headers: bool,
    /// Boundaries met.
    boundaries: usize,
    /// The final boundary has been met.
    complete: bool,
    files: usize,
    crlf_line: bool,
}

impl Parser<'_> {
    fn lines(&mut self, boundary: &Boundary) {
        let delimiter = boundary.delimiter();
        let finder = memmem::Finder::new(delimiter);
        let mut next_delimiter = finder.find(self.body);
        let mut at = 0;
        while at < self.body.len() && !self.complete {
            let end = memchr(b'\n', &self.body[at..]).map_or(self.body.len(), |offset| at + offset + 1);
            let line = &self.body[at..end];
            // A look-alike anywhere else in the line is found by one search over the whole body.
            while next_delimiter.is_some_and(|next| next < at) {
                next_delimiter = finder.find(&self.body[at..]).map(|offset| at + offset);
            }
            let mark = if line.starts_with(b"--") && line.trim_ascii_end().len() > 2 {
                self.mark(line, boundary)
            } else {
                if next_delimiter.is_some_and(|next| next < end) {
                    self.outcome.flags.unmatched_boundary = 1;
                }
                Mark::Other
            };
            match mark {
                Mark::Boundary { last } => self.boundary(line, at, end, last),
                Mark::Invalid => {
                    self.error(format!("Multipart: Invalid boundary: {}", printable(line)));
                    self.content(line, end);
                }
                Mark::Other => self.content(line, end),
            }
            at = end;
        }
        self.outcome.flags.data_after |= self.complete && at < self.body.len();
    }

    /// Tells what a line that begins with two dashes is, and notes look-alikes.
    fn mark(&mut self, line: &[u8], boundary: &Boundary) -> Mark {
        let after_dashes = &line[2..];
        if let Some(end) = after_dashes.strip_prefix(boundary.value()) {
            if self.boundaries > 0 && self.outcome.flags.unmatched_boundary == 1 {
                self.outcome.flags.unmatched_boundary = 2;
            }
            return match end {
                b"\r\n" | b"\n" => Mark::Boundary { last: false },
                b"--\r\n" | b"--\n" | b"--" => Mark::Boundary { last: true },
                _ => Mark::Invalid,
            };
        }
        if self.outcome.flags.boundary_quoted
            && after_dashes.strip_prefix(b"\"").is_some_and(|quoted| quoted.starts_with(boundary.value()))
        {
            self.error("Multipart: Invalid boundary (quotes).");
        }
        let trimmed = after_dashes.trim_ascii_start();
        if trimmed.len() < after_dashes.len() && trimmed.starts_with(boundary.value()) {
            self.error("Multipart: Invalid boundary (whitespace).");
        }
        self.outcome.flags.unmatched_boundary = 1;
        Mark::Other
    }

    /// A boundary ends the part before it and, unless it is the last, begins the next.
    fn boundary(&mut self, line: &[u8], at: usize, end: usize, last: bool) {
        if line.ends_with(b"\n") {
            self.line_end(line);
        }
        self.boundaries += 1;
        self.close_part(at);
        self.complete = last;
        if last {
            return;
        }
        if self.outcome.parts.len() >= self.limits.parts {
            self.error(format!("Multipart: There are more than {} parts.", self.limits.parts));
            self.complete = true;
            return;
        }
        self.part = Some(Part { content: end..end, ..Part::default() });
        self.in_headers = true;
    }

    /// A line that is no boundary: a header or content.
    fn content(&mut self, line: &[u8], end: usize) {
        if self.part.is_none() {
            self.outcome.flags.data_before = true;
        } else if self.in_headers {
            self.header(line);
            if let Some(part) = &mut self.part {
                part.content = end..end;
            }
        } else if let Some(part) = &mut self.part {
            part.content.end = end;
        }
    }

    fn header(&mut self, line: &[u8]) {
        self.line_end(line);
        if memchr(0, line).is_some() {
            self.error("Multipart: Nul byte in part headers.");
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            self.in_headers = false;
            self.disposition();
            return;
        }
        if text.len() > MAX_HEADER {
            self.error(format!("Multipart: Part header line over {MAX_HEADER} bytes long"));
            return;
        }
        if text[0].is_ascii_whitespace() || text[0] == 0x0b {
            self.folded(text);
        } else {
            self.new_header(text);
        }
    }

    /// A header line that continues the one before.
    fn folded(&mut self, text: &[u8]) {
        let start = text.iter().position(|&byte| !(byte.is_ascii_whitespace() || byte == 0x0b)).unwrap_or(text.len());
        self.outcome.flags.header_folding = true;
        self.outcome.flags.invalid_header_folding |= text[..start].iter().any(|byte| !matches!(byte, b' ' | b'\t'));
        let Some(last) = self.part.as_mut().and_then(|part| part.headers.last_mut()) else {
            self.error("Multipart: Invalid part header (folding error).");
            return;
        };
        if last.len() + text.len() > MAX_HEADER {
            self.error("Multipart: Part header too long.");
            return;
        }
        last.push(b' ');
        last.extend_from_slice(&text[start..]);
    }

    fn new_header(&mut self, text: &[u8]) {
        let colon = memchr(b':', text);
        let name = &text[..colon.unwrap_or(text.len())];
        let Some(part) = &mut self.part else { return };
        let duplicate = part.headers.iter().any(|header| header_name(header).eq_ignore_ascii_case(name));
        let full = part.headers.len() >= MAX_HEADERS;
        if !full {
            part.headers.push(text.to_vec());
        }
        if full {
            self.error(format!("Multipart: There are more than {MAX_HEADERS} headers in a part."));
        } else if name.iter().any(|&byte| !(33..=126).contains(&byte)) {
            self.error("Multipart: Invalid part header (contains invalid character).");
        } else if colon.is_none() {
            self.error(format!("Multipart: Invalid part header (colon missing): {}", printable(text)));
        } else if name.is_empty() {
            self.error("Multipart: Invalid part header (header name missing).");
        } else if duplicate {
            self.error(format!("Multipart: Duplicate part header: {}.", printable(name)));
        }
    }

    /// Reads the names out of the part's Content-Disposition; its first one counts.
    fn disposition(&mut self) {
        let Some(part) = &mut self.part else { return };
        let value = part
            .headers
            .iter()
            .find(|header| header_name(header).eq_ignore_ascii_case(b"content-disposition"))
            .map(|header| header_value(header));
        let Some(value) = value else {
            self.error("Multipart: Part missing Content-Disposition header.");
            return;
        };
        let disposition = multipart_disposition::parse(value);
        let value = printable(value);
        part.name = disposition.name.unwrap_or_default();
        // Browsers send an empty name for a file that was not chosen.
        part.filename = disposition.filename.filter(|name| !name.is_empty());
        part.filename_extended = disposition.filename_extended.filter(|name| !name.is_empty());
        let is_file = part.is_file();
        if part.filename == part.filename_extended {
            part.filename_extended = None;
        }
        let nameless = part.name.is_empty();
        self.outcome.flags.invalid_quoting |= disposition.single_quotes;
        if let Some(fault) = disposition.fault {
            self.error(format!("Multipart: Invalid Content-Disposition header ({fault}): {value}"));
        }
        if nameless {
            self.error("Multipart: Content-Disposition header missing name field.");
        }
        if is_file {
            self.files += 1;
            if self.files > self.limits.files {
                self.outcome.flags.file_limit_exceeded = true;
                self.error(format!(
                    "Multipart: Upload file limit exceeded {}. Use SecUploadFileLimit to change the limit.",
                    self.limits.files
                ));
            }
        }
    }

    /// Ends the part that is being read, whose content ends where the boundary line begins.
    fn close_part(&mut self, boundary: usize) {
        if self.part.is_some() && self.in_headers {
            // A boundary where headers were expected: the part has no content, but may have a name.
            self.outcome.flags.invalid_part = true;
            self.in_headers = false;
            self.disposition();
        }
        let Some(mut part) = self.part.take() else { return };
        let content = &self.body[part.content.start.min(boundary)..boundary];
        let content = content.strip_suffix(b"\n").map_or(content, |line| line.strip_suffix(b"\r").unwrap_or(line));
        part.content.end = part.content.start + content.len();
        self.outcome.flags.invalid_part |= part.name.is_empty();
        self.outcome.parts.push(part);
    }

    /// Notes how a boundary or header line ends.
    fn line_end(&mut self, line: &[u8]) {
        if line.ends_with(b"\r\n") {
            self.crlf_line = true;
        } else {
            self.outcome.flags.lf_line = true;
        }
    }

    fn finish(mut self) -> MultipartOutcome {
        if !self.complete && !self.body.is_empty() {
            if self.boundaries > 0 {
                self.error("Multipart: Final boundary missing.");
            } else {
                self.error("Multipart: No boundaries found in payload.");
            }
            // Whatever there is of the last part may be what a lenient server takes.
            self.close_part(self.body.len());
        }
        self.outcome.flags.crlf_lf_lines = self.crlf_line && self.outcome.flags.lf_line;
        self.outcome
    }

    /// Keeps the first error.
    fn error(&mut self, message: impl Into<String>) {
        if self.outcome.error.is_none() {
            self.outcome.error = Some(message.into());
        }
    }
}

/// The name in a header line.
fn header_name(header: &[u8]) -> &[u8] {
    &header[..memchr(b':', header).unwrap_or(header.len())]
}

/// The value in a header line.
fn header_value(header: &[u8]) -> &[u8] {
    header.get(header_name(header).len() + 1..).unwrap_or_default().trim_ascii()
}

/// Text for a message, escaped and cut.
fn printable(text: &[u8]) -> String {
    text[..text.len().min(200)].trim_ascii_end().escape_ascii().to_string()
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
