//! Raw HTTP/1 messages, as people keep them: line ends may be LF, lengths may be off.

use super::{HEADERS_MAX, Header, Request, Response, Wrong, chunks, header, shown};

/// Reads a request.
pub(super) fn request(text: &[u8]) -> Result<Request, Wrong> {
    let (line, at, rest) = first_line(text)?;
    let wrong = || {
        let message = format!("`{}` is not a request line; one is `GET /path?query HTTP/1.1`", shown(line));
        Wrong::at(text, at, message)
    };
    let (method, rest_of_line) = split_at_blank(line).ok_or_else(wrong)?;
    let is_method = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_graphic());
    if !is_method || method.starts_with(b"HTTP/") {
        return Err(wrong());
    }
    // A target that contains blanks is for the rules to judge; the protocol is the last word.
    let (target, protocol) = match rest_of_line.iter().rposition(|byte| *byte == b' ') {
        Some(blank) if rest_of_line.get(blank + 1..).is_some_and(|word| word.starts_with(b"HTTP/")) => {
            rest_of_line.split_at(blank)
        }
        _ => (rest_of_line, &b""[..]),
    };
    if target.is_empty() {
        return Err(wrong());
    }
    let (headers, body_at) = headers(text, rest)?;
    let mut request = Request {
        method: method.to_vec(),
        target: target.to_vec(),
        protocol: protocol.trim_ascii().to_vec(),
        headers,
        ..Request::default()
    };
    let rest = text.get(body_at..).unwrap_or_default();
    request.body = body(&request.headers, rest, &mut request.notes);
    if !request.body.is_empty() && !has_framing(&request.headers) {
        let length = request.body.len().to_string();
        request.notes.push(format!("no header announces the body: Content-Length: {length} was added"));
        request.headers.push((b"Content-Length".to_vec(), length.into_bytes()));
    }
    Ok(request)
}

/// Reads a response.
pub(super) fn response(text: &[u8]) -> Result<Response, Wrong> {
    let (line, at, rest) = first_line(text)?;
    let wrong = || Wrong::at(text, at, format!("`{}` is not a status line; one is `HTTP/1.1 200 OK`", shown(line)));
    let (protocol, rest_of_line) = split_at_blank(line).unwrap_or((line, b""));
    let status = rest_of_line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let status = std::str::from_utf8(status).ok().and_then(|digits| digits.parse::<u16>().ok());
    let status = status.filter(|status| (100..1000).contains(status) && protocol.starts_with(b"HTTP/"));
    let status = status.ok_or_else(wrong)?;
    let (headers, body_at) = headers(text, rest)?;
    let mut response = Response { status, protocol: protocol.to_vec(), headers, ..Response::default() };
    response.body = body(&response.headers, text.get(body_at..).unwrap_or_default(), &mut response.notes);
    Ok(response)
}

/// The first line that is not empty, its offset, and the offset of what follows it.
fn first_line(text: &[u8]) -> Result<(&[u8], usize, usize), Wrong> {
    let mut at = 0;
    while at < text.len() {
        let (line, next) = line(text, at);
        if !line.is_empty() {
            return Ok((line, at, next));
        }
        at = next;
    }
    Err(Wrong::at(text, 0, "the file is empty"))
}

/// The line at an offset, without its end, and the offset of the next one.
fn line(text: &[u8], at: usize) -> (&[u8], usize) {
    let rest = text.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = rest.get(..end).unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line), at + end + 1)
        }
        None => (rest, text.len()),
    }
}

fn split_at_blank(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

/// The header lines from an offset on, and the offset of the body.
fn headers(text: &[u8], mut at: usize) -> Result<(Vec<Header>, usize), Wrong> {
    let mut headers: Vec<Header> = Vec::new();
    while at < text.len() {
        let (line, next) = line(text, at);
        if line.is_empty() {
            return Ok((headers, next));
        }
        match (line.first(), headers.last_mut()) {
            // An obsolete folded line belongs to the header before it.
            (Some(b' ' | b'\t'), Some((_, value))) => {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            _ => {
                let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0).ok_or_else(|| {
                    let message = format!("`{}` is not a header; one is `Name: value`", shown(line));
                    Wrong::at(text, at, message)
                })?;
                if headers.len() >= HEADERS_MAX {
                    return Err(Wrong::at(text, at, format!("there are more than {HEADERS_MAX} headers")));
                }
                let (name, value) = line.split_at(colon);
                headers.push((name.to_vec(), value.get(1..).unwrap_or_default().trim_ascii().to_vec()));
            }
        }
        at = next;
    }
    Ok((headers, at))
}

fn has_framing(headers: &[Header]) -> bool {
    header(headers, "Content-Length").is_some() || header(headers, "Transfer-Encoding").is_some()
}

/// The body, as its framing says as far as that fits the file.
fn body(headers: &[Header], rest: &[u8], notes: &mut Vec<String>) -> Vec<u8> {
    let coding = header(headers, "Transfer-Encoding").unwrap_or_default();
    if coding.to_ascii_lowercase().ends_with(b"chunked") {
        let (body, wrong) = chunks::join(rest);
        notes.extend(wrong.map(|wrong| format!("the chunked body is malformed: {wrong}")));
        return body;
    }
    // Editors end a file with a line end that was not sent.
    let without_line_end = rest.strip_suffix(b"\n").map_or(rest, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    let Some(announced) = header(headers, "Content-Length") else { return without_line_end.to_vec() };
    let announced = std::str::from_utf8(announced).ok().and_then(|digits| digits.parse::<usize>().ok());
    match announced {
        Some(length) if length == rest.len() => rest.to_vec(),
        Some(length) if length < rest.len() => {
            let (body, more) = rest.split_at(length);
            if !more.trim_ascii().is_empty() {
                notes.push(format!(
                    "{} bytes follow the body that Content-Length announces; a server takes them for another request",
                    more.len()
                ));
            }
            body.to_vec()
        }
        Some(length) => {
            notes.push(format!(
                "Content-Length announces {length} bytes and the file has {}, which are inspected; a server would \
                 wait for the rest",
                rest.len()
            ));
            rest.to_vec()
        }
        None => {
            notes.push("Content-Length is not a number; a server refuses such a request".to_owned());
            without_line_end.to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(request: &'a Request, name: &str) -> &'a str {
        std::str::from_utf8(header(&request.headers, name).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_read_as_it_was_sent() {
        let request =
            request(b"\r\nPOST /a?<b>=1 2 HTTP/1.1\r\nHost:  x \r\nX-A: a\r\n  b\r\nContent-Length: 3\r\n\r\na=1")
                .unwrap();
        assert_eq!((&request.method[..], &request.target[..]), (&b"POST"[..], &b"/a?<b>=1 2"[..]));
        assert_eq!((value(&request, "host"), value(&request, "x-a")), ("x", "a b"));
        assert_eq!((&request.body[..], &request.protocol[..]), (&b"a=1"[..], &b"HTTP/1.1"[..]));
        assert!(request.notes.is_empty());
    }

    #[test]
    fn line_ends_of_editors_are_understood() {
        let request = request(b"POST / HTTP/1.1\nHost: x\n\nq=<script>\n").unwrap();
        assert_eq!(request.body, b"q=<script>");
        assert_eq!(value(&request, "Content-Length"), "10");
        assert!(request.notes[0].contains("Content-Length: 10 was added"));
        let request = self::request(b"GET /\n").unwrap();
        assert_eq!((&request.target[..], &request.protocol[..]), (&b"/"[..], &b""[..]));
    }

    #[test]
    fn lengths_that_do_not_fit_are_noted() {
        let read = |text: &[u8]| request(text).unwrap();
        let short = read(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
        assert_eq!((&short.body[..], short.notes.len()), (&b"abc"[..], 1));
        let long = read(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\n\r\n");
        assert_eq!((&long.body[..], long.notes.len()), (&b"ab"[..], 1));
        let editor = read(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\n");
        assert_eq!((&editor.body[..], editor.notes.len()), (&b"ab"[..], 0));
        let chunked = read(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
        assert_eq!((&chunked.body[..], chunked.notes.len()), (&b"ab"[..], 0));
    }

    #[test]
    fn what_is_not_a_request_is_told_with_its_place() {
        let place = |text: &[u8]| {
            let wrong = request(text).unwrap_err();
            (wrong.line, wrong.column)
        };
        assert_eq!(place(b""), (1, 1));
        assert_eq!(place(b"\n\nhello\n"), (3, 1));
        assert_eq!(place(b"HTTP/1.1 200 OK\n"), (1, 1));
        assert_eq!(place(b"GET / HTTP/1.1\nHost: x\nnonsense\n"), (3, 1));
        assert_eq!(place(b"GET / HTTP/1.1\n: x\n"), (2, 1));
    }

    #[test]
    fn a_response_has_a_status_line() {
        let read =
            response(b"HTTP/1.1 500 Internal Server Error\nContent-Type: text/html\n\n<b>ORA-01756</b>\n").unwrap();
        assert_eq!((read.status, &read.body[..]), (500, &b"<b>ORA-01756</b>"[..]));
        assert_eq!(response(b"GET / HTTP/1.1\n\n").unwrap_err().line, 1);
        assert!(response(b"HTTP/1.1 20 OK\n\n").is_err());
    }

    #[test]
    fn damaged_messages_never_panic() {
        let whole = b"POST /a HTTP/1.1\r\nHost: x\r\n y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            let _ = request(&whole[..end]);
            let mut damaged = whole.to_vec();
            damaged[end] ^= 0xff;
            let _ = (request(&damaged), response(&damaged));
        }
    }
}
