//! `multipart/form-data` bodies, with every doubt that libmodsecurity's parser has.

use std::ops::Range;

/// What was odd about a multipart body.
#[allow(dead_code, missing_docs)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) boundary_quoted: bool,
    pub(crate) boundary_whitespace: bool,
    pub(crate) crlf_lf_lines: bool,
    pub(crate) data_after: bool,
    pub(crate) data_before: bool,
    pub(crate) file_limit_exceeded: bool,
    pub(crate) header_folding: bool,
    pub(crate) invalid_header_folding: bool,
    pub(crate) invalid_part: bool,
    pub(crate) invalid_quoting: bool,
    pub(crate) lf_line: bool,
    pub(crate) missing_semicolon: bool,
    /// 0, 1 or 2 (2: only looks like a boundary).
    pub(crate) unmatched_boundary: u8,
}

/// One part.
#[allow(dead_code)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// `name` of its Content-Disposition.
    pub(crate) name: Vec<u8>,
    /// `filename`; a part that has one is a file.
    pub(crate) filename: Option<Vec<u8>>,
    /// Header lines (`Name: value`), unfolded.
    pub(crate) headers: Vec<Vec<u8>>,
    /// Where its content lies in the body.
    pub(crate) content: Range<usize>,
}

/// Everything found in a multipart body.
#[allow(dead_code)]
#[derive(Debug, Default)]
pub(crate) struct MultipartOutcome {
    /// Doubts.
    pub(crate) flags: Flags,
    /// Parts in order, complete up to the error if there is one.
    pub(crate) parts: Vec<Part>,
    /// The error that ended parsing, for `REQBODY_ERROR_MSG`.
    pub(crate) error: Option<String>,
}

/// Bounds of the parser.
#[allow(dead_code)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Parts at most.
    pub(crate) parts: usize,
    /// Files at most (`SecUploadFileLimit`).
    pub(crate) files: usize,
}

/// Parses a whole body; `content_type` is the value of the Content-Type header.
#[allow(dead_code, unused_variables)]
pub(crate) fn parse(body: &[u8], content_type: &[u8], limits: Limits) -> MultipartOutcome {
    MultipartOutcome::default()
}
