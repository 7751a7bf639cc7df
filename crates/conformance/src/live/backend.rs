//! The backend of a suite behind real sockets on a free loopback port.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::crs::albedo::{self, Response};
use crate::crs::head;

pub(crate) use crate::crs::albedo::Backend;

/// Largest request that is read, in bytes.
const MAX_REQUEST: usize = 64 << 20;

/// A server that answers until it is dropped.
pub(super) struct BackendServer {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl BackendServer {
    /// Starts to listen.
    pub(super) fn start(backend: Backend) -> io::Result<BackendServer> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let acceptor = std::thread::Builder::new().name("backend".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                // It ends when the gateway closes the connection.
                std::thread::spawn(move || serve(stream, backend));
            }
        })?;
        Ok(BackendServer { address, stop, acceptor: Some(acceptor) })
    }
}

impl Drop for BackendServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the acceptor; if that fails it is gone already.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            let _ = acceptor.join();
        }
    }
}

/// Answers the requests of one connection; an error ends it.
fn serve(mut stream: TcpStream, backend: Backend) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::new();
    loop {
        let Some(length) = read_request(&mut stream, &mut input)? else { return Ok(()) };
        let (response, head_only) = match input.get(..length).map(head::parse) {
            Some(Ok(request)) => (albedo::respond(&request, backend), request.method == b"HEAD"),
            _ => (
                Response { status: 400, headers: vec![("Content-Length".into(), "0".into())], body: Vec::new() },
                false,
            ),
        };
        stream.write_all(&written(&response, head_only))?;
        input.drain(..length);
    }
}

/// Reads until `input` holds a whole request, and says how long it is; `None` at the end.
fn read_request(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) {
            // The gateway sends a body that it holds whole, so it always knows the length.
            let length = end + content_length(&input[..end]);
            if input.len() >= length {
                return Ok(Some(length));
            }
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 || input.len() > MAX_REQUEST {
            return Ok(None);
        }
        input.extend_from_slice(&buffer[..count]);
    }
}

fn content_length(head: &[u8]) -> usize {
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines
        .filter_map(|line| line.split_at_checked(b"content-length:".len()))
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length:"));
    let digits = value.and_then(|(_, value)| std::str::from_utf8(value).ok());
    digits.and_then(|digits| digits.trim().parse().ok()).unwrap_or(0)
}

fn written(response: &Response, head_only: bool) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} Answer\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if !head_only {
        bytes.extend_from_slice(&response.body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_several_requests_on_a_connection() {
        let server = BackendServer::start(Backend::Albedo).unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        let body = r#"{"status": 202, "body": "seen"}"#;
        let length = body.len();
        let first = format!("POST /reflect HTTP/1.1\r\nHost: x\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(format!("{first}GET / HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert!(answers.starts_with("HTTP/1.1 202 Answer\r\n"), "{answers}");
        assert!(answers.contains("\r\n\r\nseenHTTP/1.1 200 Answer\r\n"), "{answers}");
    }
}
