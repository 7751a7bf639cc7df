//! Sends the bytes of a request as they are, on a connection of their own, and reads the response.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for the next bytes of a response. A gateway that needs it has failed the test.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest response that is read, in bytes.
const MAX_RESPONSE: u64 = 16 << 20;

/// A connection that is over but not closed yet: no other one can have its port meanwhile.
pub(super) struct Exchange {
    /// Status of the response; `None` if the connection ended without one.
    pub(super) status: Option<u16>,
    pub(super) body: Vec<u8>,
    /// Port of this end.
    pub(super) port: u16,
    _stream: TcpStream,
}

/// Sends a request and reads until the other end closes. This end says at once that nothing more
/// follows, so that a body that is shorter than announced is not waited for.
///
/// # Errors
/// The connection cannot be made, or the other end neither answers nor closes.
pub(super) fn send(address: SocketAddr, request: &[u8]) -> io::Result<Exchange> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A gateway may refuse by the head alone and close; its answer is read all the same.
    let sent = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut response = Vec::new();
    let read = (&stream).take(MAX_RESPONSE).read_to_end(&mut response);
    match (sent, read) {
        (_, Ok(_)) => {}
        (_, Err(error)) if is_end(&error) => {}
        (_, Err(error)) => return Err(error),
    }
    let (status, body) = split(&response);
    Ok(Exchange { status, body: body.to_vec(), port: stream.local_addr()?.port(), _stream: stream })
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Status and body of the final response; what is not HTTP/1 has no status.
fn split(mut response: &[u8]) -> (Option<u16>, &[u8]) {
    loop {
        let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") else { return (None, b"") };
        let (head, rest) = response.split_at(end + 4);
        let status = head.strip_prefix(b"HTTP/1.").and_then(|line| line.get(2..5));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        match status {
            Some(100..=199) => response = rest,
            other => return (other, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_are_skipped_and_other_bytes_have_no_status() {
        assert_eq!(split(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 F\r\nA: b\r\n\r\nno"), (Some(403), &b"no"[..]));
        assert_eq!(split(b"<html>\r\n\r\n"), (None, &b""[..]).clone());
        assert_eq!(split(b""), (None, &b""[..]));
    }
}
