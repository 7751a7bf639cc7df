//! Transformations (`t:…`): pure functions from bytes to bytes.
//!
//! Semantics are those of libmodsecurity v3, checked by the SecRules language vectors. Each is linear
//! in its input, and each first looks for a byte it could change: most values of real traffic are left
//! alone by most transformations, and then nothing is copied.

mod base64;
mod best_fit;
mod cmd_line;
mod comments;
mod css_decode;
mod digest;
mod escape_seq_decode;
pub(crate) mod hex;
mod html_entity_decode;
mod js_decode;
mod letter_case;
mod normalize_path;
mod nulls;
mod parity;
mod php_args_names;
mod sql_hex_decode;
mod unicode_map;
pub(crate) mod url_decode;
mod url_decode_uni;
mod url_encode;
mod utf8_to_unicode;
mod whitespace;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use best_fit::ascii as best_fit_ascii;
use parapet_seclang::ast::Transformation;
pub(crate) use unicode_map::UnicodeMap;

/// Applies one transformation.
///
/// `true`: the result differs from `input` and has been written to `out`, which was cleared first.
/// `false`: the result is `input` itself; `out` holds nothing meaningful.
pub(crate) fn apply(transformation: Transformation, input: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    match transformation {
        Transformation::Base64Decode => base64::decode(input, out),
        Transformation::Base64DecodeExt => base64::decode_forgiving(input, out),
        Transformation::Base64Encode => base64::encode(input, out),
        Transformation::CmdLine => cmd_line::apply(input, out),
        Transformation::CompressWhitespace => whitespace::compress(input, out),
        Transformation::CssDecode => css_decode::apply(input, out),
        Transformation::EscapeSeqDecode => escape_seq_decode::apply(input, out),
        Transformation::HexDecode => hex::decode(input, out),
        Transformation::HexEncode => hex::encode(input, out),
        Transformation::HtmlEntityDecode => html_entity_decode::apply(input, out),
        Transformation::JsDecode => js_decode::apply(input, out),
        Transformation::Length => digest::length(input, out),
        Transformation::Lowercase => letter_case::lower(input, out),
        Transformation::Md5 => digest::md5(input, out),
        Transformation::NormalizePath => normalize_path::unix(input, out),
        Transformation::NormalizePathWin => normalize_path::windows(input, out),
        Transformation::ParityEven7bit => parity::even(input, out),
        Transformation::ParityOdd7bit => parity::odd(input, out),
        Transformation::ParityZero7bit => parity::zero(input, out),
        Transformation::PhpArgsNames => php_args_names::apply(input, out),
        Transformation::RemoveComments => comments::remove(input, out),
        Transformation::RemoveCommentsChar => comments::remove_chars(input, out),
        Transformation::RemoveNulls => nulls::remove(input, out),
        Transformation::RemoveWhitespace => whitespace::remove(input, out),
        Transformation::ReplaceComments => comments::replace(input, out),
        Transformation::ReplaceNulls => nulls::replace(input, out),
        Transformation::Sha1 => digest::sha1(input, out),
        Transformation::SqlHexDecode => sql_hex_decode::apply(input, out),
        Transformation::Trim => whitespace::trim(input, out),
        Transformation::TrimLeft => whitespace::trim_left(input, out),
        Transformation::TrimRight => whitespace::trim_right(input, out),
        Transformation::Uppercase => letter_case::upper(input, out),
        Transformation::UrlDecode => url_decode::apply(input, out),
        Transformation::UrlDecodeUni => url_decode_uni::apply(input, out),
        Transformation::UrlEncode => url_encode::apply(input, out),
        Transformation::Utf8ToUnicode => utf8_to_unicode::apply(input, out),
    }
}

/// Whether any byte satisfies the predicate; whole blocks at a time, so that it is compiled to vector
/// instructions.
pub(crate) fn any(input: &[u8], predicate: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = input.as_chunks::<32>();
    blocks.iter().any(|block| block.iter().fold(false, |found, &byte| found | predicate(byte)))
        || rest.iter().any(|&byte| predicate(byte))
}

/// Applies one transformation where the configuration has a code page of its own.
pub(crate) fn apply_with(
    transformation: Transformation,
    map: Option<&UnicodeMap>,
    input: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    match (transformation, map) {
        (Transformation::UrlDecodeUni, Some(map)) => {
            out.clear();
            url_decode_uni::decode(input, out, |character| map.byte(character))
        }
        _ => apply(transformation, input, out),
    }
}

/// C's `isspace` in the C locale.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests;
