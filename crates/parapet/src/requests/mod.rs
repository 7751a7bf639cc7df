//! Requests that people have in files: raw HTTP, HAR, curl command lines.
//!
//! The readers turn text that anybody may have written into what a server would receive. They are
//! bounded by the size of the file and by the limits below, never recurse, and say where a file is wrong.

mod chunks;
mod curl;
mod curl_form;
mod curl_options;
mod curl_request;
mod form;
mod har;
mod message;
mod shell;
mod url;
mod windows;

use anyhow::{Context, Result, anyhow, bail};
use std::io::Read;
use std::path::Path;

/// Bytes of a request file at most. A HAR file holds a whole browsing session.
const FILE_MAX: u64 = 128 << 20;
/// Bytes of a file that a curl command sends, at most.
const UPLOAD_MAX: u64 = 16 << 20;
/// Header lines of one message at most.
const HEADERS_MAX: usize = 1_000;
/// Requests of one file at most.
const REQUESTS_MAX: usize = 10_000;

/// A request as a server would receive it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Where it comes from, for people: `session.har, entry 3`.
    pub source: String,
    /// Method.
    pub method: Vec<u8>,
    /// Request target: path and query.
    pub target: Vec<u8>,
    /// Protocol, such as `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Body, chunks joined.
    pub body: Vec<u8>,
    /// The response, if the file has it.
    pub response: Option<Response>,
    /// What was assumed or changed on the way.
    pub notes: Vec<String>,
}

impl Request {
    /// Request line, headers and the empty line, as HTTP/1 sends them.
    pub fn head(&self) -> Vec<u8> {
        let mut head = [&self.method[..], &self.target, &self.protocol].join(&b" "[..]);
        for (name, value) in &self.headers {
            head.extend_from_slice(&[b"\r\n", name.as_slice(), b": ", value].concat());
        }
        head.extend_from_slice(b"\r\n\r\n");
        head
    }
}

/// Name and value.
pub type Header = (Vec<u8>, Vec<u8>);

/// A response as a client would receive it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Protocol, such as `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Body, chunks joined.
    pub body: Vec<u8>,
    /// What was assumed or changed on the way.
    pub notes: Vec<String>,
}

/// How a request is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The bytes of an HTTP/1 request; line ends may be LF alone.
    Raw,
    /// HTTP Archive 1.2, as browsers and proxies export it.
    Har,
    /// Command lines, as browsers copy them.
    Curl,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    /// Line, from 1.
    line: usize,
    /// Column in bytes, from 1.
    column: usize,
    message: String,
}

impl Wrong {
    /// At a place in the text.
    fn at(text: &[u8], offset: usize, message: impl Into<String>) -> Wrong {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Wrong { line, column, message: message.into() }
    }
}

/// Reads the requests of a file; `-` is standard input.
///
/// # Errors
/// If the file cannot be read, or is not what it is said or seems to be.
pub fn read(path: &Path, format: Option<Format>) -> Result<Vec<Request>> {
    let (name, text) = bytes_of(path)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let format = format.unwrap_or_else(|| detect(text));
    let read = match format {
        Format::Raw => message::request(text).map(|request| vec![request]),
        Format::Har => har::requests(text),
        Format::Curl => curl::requests(text, &read_upload),
    };
    let mut requests = read.map_err(|wrong| anyhow!("{name}:{}:{}: {}", wrong.line, wrong.column, wrong.message))?;
    for request in &mut requests {
        request.source = if request.source.is_empty() { name.clone() } else { format!("{name}, {}", request.source) };
    }
    Ok(requests)
}

/// Reads a raw HTTP/1 response; `-` is standard input.
///
/// # Errors
/// If the file cannot be read, or is not a response.
pub fn read_response(path: &Path) -> Result<Response> {
    let (name, text) = bytes_of(path)?;
    message::response(&text).map_err(|wrong| anyhow!("{name}:{}:{}: {}", wrong.line, wrong.column, wrong.message))
}

/// The name of a file for messages, and what is in it.
fn bytes_of(path: &Path) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let name = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut bytes).context("standard input cannot be read")?;
        "standard input".to_owned()
    } else {
        let name = path.display().to_string();
        let file = std::fs::File::open(path).with_context(|| format!("{name} cannot be opened"))?;
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("{name} cannot be read"))?;
        name
    };
    if bytes.len() as u64 > FILE_MAX {
        bail!("{name} has more than {} MiB", FILE_MAX >> 20);
    }
    Ok((name, bytes))
}

/// Reads a file that a curl command names. Only ordinary files: a command from elsewhere must not
/// make this one wait for a pipe or a device.
fn read_upload(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    if !metadata.is_file() || metadata.len() > UPLOAD_MAX {
        return Err(format!("{name} is not an ordinary file of at most {} MiB", UPLOAD_MAX >> 20));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("{name} cannot be opened: {error}"))?;
    file.take(UPLOAD_MAX).read_to_end(&mut bytes).map_err(|error| format!("{name} cannot be read: {error}"))?;
    Ok(bytes)
}

/// What a text seems to be.
fn detect(text: &[u8]) -> Format {
    let start = text.trim_ascii_start();
    let word =
        |prefix: &[u8]| start.strip_prefix(prefix).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace));
    if start.first() == Some(&b'{') {
        Format::Har
    } else if word(b"curl") || word(b"curl.exe") || word(b"$") || start.first() == Some(&b'#') {
        Format::Curl
    } else {
        Format::Raw
    }
}

/// The first value of a header.
fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a [u8]> {
    let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| value.as_slice())
}

/// Bytes for a message: printable and short.
fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..60).unwrap_or(bytes);
    format!("{}{}", cut.escape_ascii(), if cut.len() < bytes.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(detect(b"GET / HTTP/1.1\r\n\r\n"), Format::Raw);
        assert_eq!(detect(b"\n  { \"log\": {} }"), Format::Har);
        assert_eq!(detect(b"curl 'http://x/'"), Format::Curl);
        assert_eq!(detect(b"# copied\n$ curl x"), Format::Curl);
        assert_eq!(detect(b"curly / HTTP/1.1"), Format::Raw);
    }

    #[test]
    fn places_are_counted_from_one() {
        let text = b"ab\ncd";
        let place = |offset| (Wrong::at(text, offset, "").line, Wrong::at(text, offset, "").column);
        assert_eq!([place(0), place(2), place(3), place(4), place(99)], [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3)]);
    }
}
