//! The request that curl sends for the options of a command.

use super::curl::Command;
use super::form::{self, BOUNDARY};
use super::url::{Url, without_dots};
use super::{Header, Request, header, shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What curl calls itself unless it is told otherwise.
const USER_AGENT: &[u8] = b"curl/8.14.1";

impl Command<'_> {
    /// The request for a URL.
    pub(super) fn request(&self, text: &[u8]) -> Result<Request, String> {
        let mut url = Url::parse(text).ok_or_else(|| format!("`{}` is not an http or https URL", shown(text)))?;
        let mut notes = Vec::new();
        if !self.is_path_as_is {
            let resolved = without_dots(&url.path);
            if resolved != url.path {
                notes.push("curl resolves `..` in the path before it sends it; --path-as-is keeps it".to_owned());
                url.path = resolved;
            }
        }
        let mut target = self.target.map_or_else(|| url.target(), <[u8]>::to_vec);
        let mut body = Vec::new();
        match &self.data {
            Some(data) if self.is_get => {
                target.push(if url.query.is_some() { b'&' } else { b'?' });
                target.extend_from_slice(data);
            }
            Some(data) => body.clone_from(data),
            None => body = if self.parts.is_empty() { body } else { form::multipart(&self.parts, BOUNDARY.as_bytes()) },
        }
        if target.iter().any(u8::is_ascii_whitespace) {
            notes.push("blanks in the URL were escaped; curl refuses them".to_owned());
            target = target
                .iter()
                .flat_map(|byte| match byte {
                    blank if blank.is_ascii_whitespace() => format!("%{blank:02X}").into_bytes(),
                    other => vec![*other],
                })
                .collect();
        }
        let sends_body = !self.is_get && (self.data.is_some() || !self.parts.is_empty());
        let usual: &[u8] = match (self.is_head, sends_body) {
            (true, _) => b"HEAD",
            (false, true) => b"POST",
            (false, false) => b"GET",
        };
        Ok(Request {
            method: self.method.unwrap_or(usual).to_vec(),
            target,
            protocol: self.protocol.unwrap_or(b"HTTP/1.1").to_vec(),
            headers: self.headers(&url, sends_body.then_some(body.len())),
            body,
            notes,
            ..Request::default()
        })
    }

    /// The headers: curl's own unless the command replaces or removes them, then those of the command.
    fn headers(&self, url: &Url<'_>, body: Option<usize>) -> Vec<Header> {
        let mut custom = Vec::new();
        let mut removed = Vec::new();
        for word in &self.headers {
            match custom_header(&word.text) {
                Some((name, Some(value))) => custom.push((name, value)),
                Some((name, None)) => removed.push(name),
                None => {}
            }
        }
        let basic = |credentials: &[u8]| [b"Basic ", STANDARD.encode(credentials).as_bytes()].concat();
        let authorization = match (self.bearer, self.user.or(url.credentials)) {
            (Some(token), _) => Some([b"Bearer ", token].concat()),
            (None, credentials) => credentials.map(basic),
        };
        let agent = self.user_agent.unwrap_or(USER_AGENT);
        let (accept, content_type) = match self.is_json {
            true => (&b"application/json"[..], b"application/json".to_vec()),
            false if self.parts.is_empty() => (&b"*/*"[..], b"application/x-www-form-urlencoded".to_vec()),
            false => (&b"*/*"[..], format!("multipart/form-data; boundary={BOUNDARY}").into_bytes()),
        };
        let cookies = (!self.cookies.is_empty()).then(|| self.cookies.join(&b"; "[..]));
        let own: [(&str, Option<Vec<u8>>); 10] = [
            ("Host", Some(url.authority.to_vec())),
            ("Authorization", authorization),
            ("User-Agent", Some(agent.to_vec()).filter(|agent| !agent.is_empty())),
            ("Accept", Some(accept.to_vec())),
            ("Accept-Encoding", self.is_compressed.then(|| b"deflate, gzip, br, zstd".to_vec())),
            ("Range", self.range.map(|range| [b"bytes=", range].concat())),
            ("Referer", self.referer.map(<[u8]>::to_vec)),
            ("Cookie", cookies),
            ("Content-Length", body.map(|length| length.to_string().into_bytes())),
            ("Content-Type", body.map(|_| content_type)),
        ];
        let is_removed = |name: &str| removed.iter().any(|removed| removed.eq_ignore_ascii_case(name.as_bytes()));
        let mut headers: Vec<Header> = Vec::new();
        let mut after = Vec::new();
        for (name, value) in own {
            let Some(value) = value.filter(|_| header(&custom, name).is_none() && !is_removed(name)) else { continue };
            let place = if name.starts_with("Content-") { &mut after } else { &mut headers };
            place.push((name.as_bytes().to_vec(), value));
        }
        headers.extend(custom);
        headers.extend(after);
        headers
    }
}

/// A header of `-H`: `Name: value`; `Name;` has an empty value; `Name:` takes curl's own away.
fn custom_header(text: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let at = text.iter().position(|byte| matches!(byte, b':' | b';'))?;
    let (name, value) = (text.get(..at)?.trim_ascii().to_vec(), text.get(at + 1..)?.trim_ascii());
    match (text.get(at), value.is_empty()) {
        (Some(b':'), false) => Some((name, Some(value.to_vec()))),
        (Some(b':'), true) => Some((name, None)),
        (_, true) => Some((name, Some(Vec::new()))),
        (_, false) => None,
    }
}
