//! Fields of multipart forms, as `-F` of curl writes them.

use super::curl::{ReadFile, file};
use super::form::Part;

/// The value of `--form-string`: `name=content`, taken as it is.
pub(super) fn part_of_text(value: &[u8]) -> Result<Part, String> {
    let at = value.iter().position(|byte| *byte == b'=').ok_or("a form field is written name=content")?;
    let (name, content) = value.split_at(at);
    let content = content.get(1..).unwrap_or_default().to_vec();
    Ok(Part { name: name.to_vec(), content, ..Part::default() })
}

/// The value of `-F`: `name=content`, `name=@file` or `name=<file`, then `;type=` and `;filename=`; quotes
/// keep a semicolon in the content.
pub(super) fn part(value: &[u8], read_file: ReadFile<'_>) -> Result<Part, String> {
    let mut part = part_of_text(value)?;
    let (content_end, content) = match part.content.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted),
        None => {
            let end = part.content.iter().position(|byte| *byte == b';').unwrap_or(part.content.len());
            (end, part.content.get(..end).unwrap_or_default().to_vec())
        }
    };
    for attribute in part.content.get(content_end..).unwrap_or_default().split(|byte| *byte == b';') {
        let attribute = attribute.trim_ascii();
        if let Some(kind) = attribute.strip_prefix(b"type=") {
            part.content_type = Some(kind.to_vec());
        } else if let Some(name) = attribute.strip_prefix(b"filename=") {
            part.filename = Some(name.strip_prefix(b"\"").map_or(name.to_vec(), |quoted| unquoted(quoted).1));
        }
    }
    match content.split_first() {
        Some((b'@', name)) => {
            let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
            part.filename = part.filename.or(Some(base));
            part.content_type = part.content_type.or(Some(b"application/octet-stream".to_vec()));
            part.content = file(name, read_file)?;
        }
        Some((b'<', name)) => part.content = file(name, read_file)?,
        _ => part.content = content,
    }
    Ok(part)
}

/// The text up to the closing quote, and where what follows it begins, the opening quote counted.
fn unquoted(quoted: &[u8]) -> (usize, Vec<u8>) {
    let mut text = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (at + 2, text),
            b'\\' => text.extend(bytes.next().map(|(_, byte)| *byte)),
            other => text.push(*other),
        }
    }
    (quoted.len() + 1, text)
}
