//! Bodies of forms.

/// A boundary that no real content has.
pub(super) const BOUNDARY: &str = "------------------------parapetExplain7d1f";

/// One field of a multipart form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) filename: Option<Vec<u8>>,
    pub(super) content_type: Option<Vec<u8>>,
}

/// The body of a multipart form.
pub(super) fn multipart(parts: &[Part], boundary: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        for piece in [b"--", boundary, b"\r\nContent-Disposition: form-data; name=\"", &escaped(&part.name), b"\""] {
            body.extend_from_slice(piece);
        }
        if let Some(filename) = &part.filename {
            body.extend_from_slice(b"; filename=\"");
            body.extend_from_slice(&escaped(filename));
            body.push(b'"');
        }
        if let Some(content_type) = &part.content_type {
            body.extend_from_slice(b"\r\nContent-Type: ");
            body.extend_from_slice(content_type);
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(&[b"--", boundary, b"--\r\n"].concat());
    body
}

/// As browsers and curl write names into a header.
fn escaped(name: &[u8]) -> Vec<u8> {
    name.iter()
        .flat_map(|byte| match byte {
            b'"' => b"%22".to_vec(),
            b'\r' => b"%0D".to_vec(),
            b'\n' => b"%0A".to_vec(),
            other => vec![*other],
        })
        .collect()
}

/// Escapes all but unreserved characters with `%HH`.
pub(super) fn url_encoded(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(*byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    encoded
}
