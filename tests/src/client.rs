//! An HTTP client that sends exactly the bytes it is given.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Answer {
    /// Value of a header, name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }
}

/// Sends raw bytes and reads the answer until the other side closes.
///
/// # Errors
/// If the connection fails or the answer is not HTTP.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other(format!("not HTTP: {}", String::from_utf8_lossy(&answer))))
}

/// A GET with a browser's headers; the target goes out as it is.
///
/// # Errors
/// As [`raw`].
pub fn get(to: SocketAddr, target: &str) -> io::Result<Answer> {
    request(to, "GET", target, &[], b"")
}

/// A request with a browser's headers, `headers` and a body.
///
/// # Errors
/// As [`raw`].
pub fn request(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if !has("User-Agent") {
        head.push_str("User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n");
    }
    if !has("Accept") {
        head.push_str("Accept: text/html,application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    raw(to, &bytes)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let chunked = headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("transfer-encoding") && v.contains("chunked"));
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?.trim(), 16).ok()?;
        bytes = bytes.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

/// A logged-in session with the console.
pub struct Session {
    console: SocketAddr,
    cookie: String,
    csrf: String,
}

impl Session {
    /// Logs in.
    pub fn login(console: SocketAddr, login: &(String, String)) -> Session {
        let body = serde_json::json!({"username": login.0, "password": login.1}).to_string();
        let headers = [("Content-Type", "application/json")];
        let answer =
            request(console, "POST", "/api/v1/session", &headers, body.as_bytes()).expect("the console answers");
        assert_eq!(answer.status, 200, "login: {}", answer.body);
        let cookie = answer.header("Set-Cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
        let csrf = answer.json()["csrf"].as_str().expect("a CSRF token").to_owned();
        Session { console, cookie: cookie.to_owned(), csrf }
    }

    /// A GET of the API.
    pub fn get(&self, target: &str) -> Answer {
        request(self.console, "GET", target, &[("Cookie", &self.cookie)], b"").expect("the console answers")
    }

    /// The whole history, newest first; `None` if a process that keeps it is away.
    pub fn events(&self) -> Option<Vec<serde_json::Value>> {
        let mut events = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/api/v1/events?limit=1000{cursor}"));
            let serde_json::Value::Array(found) = page.json() else { return None };
            events.extend(found);
            match page.header("X-Next-Cursor") {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(events),
            }
        }
    }

    /// A state-changing request.
    pub fn send(&self, method: &str, target: &str, body: &serde_json::Value) -> Answer {
        let headers = [
            ("Cookie", self.cookie.as_str()),
            ("X-CSRF-Token", self.csrf.as_str()),
            ("Content-Type", "application/json"),
        ];
        request(self.console, method, target, &headers, body.to_string().as_bytes()).expect("the console answers")
    }
}
