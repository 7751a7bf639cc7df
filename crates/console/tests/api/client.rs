//! A client that shows every byte: one HTTP/1.0 request per connection, so that a body ends with
//! the connection and streams come unframed.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as text.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Request { method: method.into(), target: target.into(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn json(mut self, body: &str) -> Self {
        self.body = body.into();
        self.header("Content-Type", "application/json")
    }

    fn text(&self, address: SocketAddr) -> String {
        let mut text = format!("{} {} HTTP/1.0\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            text += &format!("Host: {address}\r\n");
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text + "\r\n" + &self.body
    }
}

/// An answer, or the head of a stream.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Status and error code, after checking that the body has the error shape.
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "{body}");
        (self.status, body["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// Sends the request and reads the whole answer.
pub(crate) async fn send(address: SocketAddr, request: &Request) -> Answer {
    let mut stream = Stream::open(address, request).await;
    timeout(PATIENCE, stream.reader.read_to_end(&mut stream.answer.body)).await.expect("no answer").unwrap();
    stream.answer
}

/// An open server-sent event stream.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    pub(crate) answer: Answer,
}

impl Stream {
    /// Sends the request and reads the head of the answer.
    pub(crate) async fn open(address: SocketAddr, request: &Request) -> Stream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.text(address).as_bytes()).await.unwrap();
        let mut reader = BufReader::new(socket);
        let head = timeout(PATIENCE, head(&mut reader)).await.expect("no answer");
        Stream { reader, answer: head }
    }

    /// The next message as name and data; `None` at the end of the stream.
    pub(crate) async fn message(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), Value::Null);
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.reader.read_line(&mut line)).await.expect("no message").unwrap();
            if read == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
                _ if line.trim_end().is_empty() && !name.is_empty() => return Some((name, data)),
                _ => {}
            }
        }
    }

    /// Data of the next message with this name.
    pub(crate) async fn next(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.message().await.expect("the stream ended");
            if name == wanted {
                return data;
            }
        }
    }

    /// Reads on until the stream ends.
    pub(crate) async fn end(&mut self) {
        while self.message().await.is_some() {}
    }
}

async fn head(reader: &mut BufReader<TcpStream>) -> Answer {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let status = lines.first().expect("no answer").split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines[1..].iter().map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answer { status, headers, body: Vec::new() }
}
