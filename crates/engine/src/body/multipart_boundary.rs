//! The `boundary` parameter of `Content-Type: multipart/form-data`.
//!
//! As libmodsecurity's `Multipart::init`: one parameter, directly after the type, in lower case, made
//! of RFC 2046 characters; anything else is an error, as servers disagree on it.

use memchr::memmem;

use super::multipart::Flags;

const TYPE: &[u8] = b"multipart/form-data";
const PARAMETER: &[u8] = b"boundary";

/// A boundary: two dashes and the parameter's value.
pub(super) struct Boundary(Vec<u8>);

impl Boundary {
    /// The line that separates parts, without its end.
    pub(super) fn delimiter(&self) -> &[u8] {
        &self.0
    }

    /// The value of the parameter.
    pub(super) fn value(&self) -> &[u8] {
        &self.0[2..]
    }
}

/// Reads the boundary, or says why there is none.
pub(super) fn parse(content_type: &[u8], flags: &mut Flags) -> Result<Boundary, &'static str> {
    if content_type.is_empty() {
        return Err("Multipart: Content-Type header not available.");
    }
    if content_type.len() > 1024 {
        return Err("Multipart: Invalid boundary in C-T (length).");
    }
    let Some((kind, parameters)) = content_type.split_at_checked(TYPE.len()) else {
        return Err("Multipart: Invalid MIME type.");
    };
    if !kind.eq_ignore_ascii_case(TYPE) {
        return Err("Multipart: Invalid MIME type.");
    }
    if count_parameters(content_type) > 1 {
        return Err("Multipart: Multiple boundary parameters in C-T.");
    }
    let Some(start) = memmem::find(parameters, PARAMETER) else {
        return Err(if count_parameters(content_type) > 0 {
            "Multipart: Invalid boundary in C-T (case sensitivity)."
        } else {
            "Multipart: Boundary not found in C-T."
        });
    };
    match parameters[..start].trim_ascii() {
        b";" => {}
        b"" => flags.missing_semicolon = true,
        _ => return Err("Multipart: Invalid boundary in C-T (malformed)."),
    }
    let after = &parameters[start + PARAMETER.len()..];
    let Some(equals) = memchr::memchr(b'=', after) else {
        return Err("Multipart: Invalid boundary in C-T (malformed).");
    };
    if !after[..equals].trim_ascii().is_empty() {
        return Err("Multipart: Invalid boundary in C-T (parameter name).");
    }
    let value = &after[equals + 1..];
    flags.boundary_whitespace = equals > 0 || value.first().is_some_and(u8::is_ascii_whitespace);
    let value = unquote(value, flags)?;
    if value.is_empty() {
        return Err("Multipart: Invalid boundary in C-T (empty).");
    }
    if count_parameters(value) != 0 {
        return Err("Multipart: Invalid boundary in C-T (content).");
    }
    if !value.iter().all(|&byte| is_boundary_character(byte)) || value.last() == Some(&b' ') {
        return Err("Multipart: Invalid boundary in C-T (characters).");
    }
    Ok(Boundary([b"--", value].concat()))
}

/// Takes a pair of double quotes off.
fn unquote<'a>(value: &'a [u8], flags: &mut Flags) -> Result<&'a [u8], &'static str> {
    match value {
        [b'"', quoted @ .., b'"'] => {
            flags.boundary_quoted = true;
            Ok(quoted)
        }
        [b'"', ..] | [_, .., b'"'] => Err("Multipart: Invalid boundary in C-T (quote)."),
        _ => Ok(value),
    }
}

/// How often the word `boundary` stands before an `=`, in any case.
fn count_parameters(text: &[u8]) -> usize {
    let last_equals = memchr::memrchr(b'=', text).unwrap_or(0);
    let lower = text.to_ascii_lowercase();
    memmem::find_iter(&lower, PARAMETER).filter(|at| at + PARAMETER.len() <= last_equals).count()
}

/// RFC 2046, section 5.1.1.
fn is_boundary_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+_,-./:=?".contains(&byte)
}
