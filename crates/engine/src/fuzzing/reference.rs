//! Plain forms of the transformations that are fast by skipping: one byte after the other, no skipping.

use parapet_seclang::ast::Transformation;

/// The result, for transformations that have a plain form here.
pub(super) fn apply(kind: Transformation, input: &[u8]) -> Option<Vec<u8>> {
    Some(match kind {
        Transformation::Lowercase => input.to_ascii_lowercase(),
        Transformation::Uppercase => input.to_ascii_uppercase(),
        Transformation::RemoveNulls => input.iter().copied().filter(|&byte| byte != 0).collect(),
        Transformation::ReplaceNulls => input.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect(),
        Transformation::CompressWhitespace => compress_whitespace(input),
        Transformation::CmdLine => cmd_line(input),
        Transformation::UrlDecode => each(input, |rest| url_escape(rest, false)),
        Transformation::UrlDecodeUni => each(input, |rest| url_escape(rest, true)),
        Transformation::JsDecode => each(input, js_escape),
        Transformation::EscapeSeqDecode => each(input, c_escape),
        Transformation::HtmlEntityDecode => each(input, entity),
        Transformation::ReplaceComments => replace_comments(input),
        Transformation::RemoveCommentsChar => remove_comment_marks(input),
        Transformation::NormalizePath if is_tame(input) => normalize(input),
        _ => return None,
    })
}

/// Decodes escapes: what `escape` finds at each place, or the byte itself.
fn each(input: &[u8], escape: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let (byte, length) = escape(&input[at..]).unwrap_or((input[at], 1));
        out.push(byte);
        at += length;
    }
    out
}

fn hex(text: &[u8], digits: usize) -> Option<u32> {
    let text = text.get(..digits)?;
    text.iter().try_fold(0, |number, &byte| Some(number * 16 + char::from(byte).to_digit(16)?))
}

fn full_width(character: u32) -> u8 {
    let low = character as u8;
    if (0xff01..=0xff5e).contains(&character) { low + 0x20 } else { low }
}

fn url_escape(rest: &[u8], unicode: bool) -> Option<(u8, usize)> {
    match rest {
        [b'+', ..] => Some((b' ', 1)),
        [b'%', b'u' | b'U', digits @ ..] if unicode => {
            let character = hex(digits, 4)?;
            let mapped = crate::transformations::best_fit_ascii(character as u16);
            Some((mapped.unwrap_or_else(|| full_width(character)), 6))
        }
        [b'%', digits @ ..] => Some((hex(digits, 2)? as u8, 3)),
        _ => None,
    }
}

fn octal(text: &[u8]) -> Option<(u32, usize)> {
    let length = text.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let number = text[..length].iter().fold(0, |number, byte| number * 8 + u32::from(byte - b'0'));
    (length > 0).then_some((number, length))
}

fn letter(byte: u8) -> u8 {
    b"a\x07b\x08f\x0cn\nr\rt\tv\x0b".chunks(2).find(|pair| pair[0] == byte).map_or(byte, |pair| pair[1])
}

fn js_escape(rest: &[u8]) -> Option<(u8, usize)> {
    let text = rest.strip_prefix(b"\\")?;
    if let Some(character) = text.strip_prefix(b"u").and_then(|digits| hex(digits, 4)) {
        return Some((full_width(character), 6));
    }
    if let Some(byte) = text.strip_prefix(b"x").and_then(|digits| hex(digits, 2)) {
        return Some((byte as u8, 4));
    }
    if let Some((number, length)) = octal(text) {
        return Some(if number > 255 { ((number / 8) as u8, length) } else { (number as u8, length + 1) });
    }
    Some((letter(*text.first()?), 2))
}

fn c_escape(rest: &[u8]) -> Option<(u8, usize)> {
    let text = rest.strip_prefix(b"\\")?;
    let hexadecimal = text.strip_prefix(b"x").or_else(|| text.strip_prefix(b"X"));
    if let Some(byte) = hexadecimal.and_then(|digits| hex(digits, 2)) {
        return Some((byte as u8, 4));
    }
    if let Some((number, length)) = octal(text) {
        return Some((number as u8, length + 1));
    }
    Some((letter(*text.first()?), 2))
}

fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    let text = rest.strip_prefix(b"&")?;
    let semicolon = |length: usize| usize::from(rest.get(length) == Some(&b';'));
    if let Some(number) = text.strip_prefix(b"#") {
        let (radix, digits) = match number.first() {
            Some(b'x' | b'X') => (16, &number[1..]),
            _ => (10, number),
        };
        let length = digits.iter().take_while(|&&byte| char::from(byte).is_digit(radix)).count();
        let text = std::str::from_utf8(&digits[..length]).ok().filter(|text| !text.is_empty())?;
        let value = i64::from_str_radix(text, radix).unwrap_or(i64::MAX);
        let length = rest.len() - digits.len() + length;
        return Some((value as u8, length + semicolon(length)));
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let byte = match &text[..length].to_ascii_lowercase()[..] {
        b"quot" => b'"',
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"nbsp" => 0xa0,
        _ => return None,
    };
    Some((byte, 1 + length + semicolon(1 + length)))
}

fn compress_whitespace(input: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for &byte in input {
        let space = byte == 0x0b || byte.is_ascii_whitespace();
        if !(space && out.last() == Some(&b' ')) {
            out.push(if space { b' ' } else { byte });
        }
    }
    out
}

fn cmd_line(input: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for &byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            b'/' | b'(' => {
                if out.last() == Some(&b' ') {
                    out.pop();
                }
                out.push(byte);
            }
            _ => out.push(byte.to_ascii_lowercase()),
        }
    }
    out
}

fn replace_comments(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut inside = false;
    while at < input.len() {
        let mark = if inside { b"*/" } else { b"/*" };
        if input[at..].starts_with(mark) {
            if inside {
                out.push(b' ');
            }
            inside = !inside;
            at += 2;
        } else {
            if !inside {
                out.push(input[at]);
            }
            at += 1;
        }
    }
    if inside {
        out.push(b' ');
    }
    out
}

fn remove_comment_marks(input: &[u8]) -> Vec<u8> {
    let mut text = input.to_vec();
    let mut at = 0;
    'next: while at < text.len() {
        for mark in [&b"/*"[..], b"*/", b"<!--", b"-->", b"--", b"#"] {
            if text[at..].starts_with(mark) {
                text.drain(at..at + mark.len());
                continue 'next;
            }
        }
        at += 1;
    }
    text
}

/// Whether libmodsecurity's algorithm does what path normalisation is understood to be: dots end no
/// segment but `.` and `..`, and no other segment is a single byte.
fn is_tame(input: &[u8]) -> bool {
    !input.is_empty()
        && input.split(|&byte| byte == b'/').all(|part| match part {
            b"" | b"." | b".." => true,
            part => part.len() > 1 && !part.ends_with(b"."),
        })
}

fn normalize(input: &[u8]) -> Vec<u8> {
    let absolute = input[0] == b'/';
    let mut parts: Vec<&[u8]> = Vec::new();
    // A `..` of a relative path that finds nothing to take away stays. As libmodsecurity has it, the next
    // ones stay too, until another segment has come: from then on a `..` takes away even one that stayed.
    let mut stays = false;
    for part in input.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if !absolute && (stays || parts.is_empty()) => {
                parts.push(part);
                stays = true;
            }
            b".." => {
                parts.pop();
                stays |= parts.is_empty();
            }
            part => {
                parts.push(part);
                stays = false;
            }
        }
    }
    let mut out = if absolute { b"/".to_vec() } else { Vec::new() };
    out.extend_from_slice(&parts.join(&b'/'));
    if input.ends_with(b"/") && out.last().is_some_and(|&last| last != b'/') {
        out.push(b'/');
    }
    if !input.ends_with(b"/") && out == b"/" {
        out.clear();
    }
    out
}
