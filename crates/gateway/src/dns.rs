//! Looks names up for `@rbl`: one DNS question over UDP, a deadline, and answers kept for a minute.
//!
//! Source: RFC 1035. Block lists answer with an address or not at all, so nothing but the question
//! whether there is one is asked. The caller waits; the gateway runs phases that may ask on a thread
//! where waiting disturbs nobody.

use parapet_engine::Resolver;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer is kept, also that there is none.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Answers kept at most.
const MOST_KEPT: usize = 10_000;
/// Bytes of an answer over UDP.
const LONGEST_ANSWER: usize = 1_232;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// Asks name servers.
pub struct DnsResolver {
    servers: Vec<SocketAddr>,
    deadline: Duration,
    kept: Mutex<HashMap<String, (Instant, bool)>>,
}

impl DnsResolver {
    /// Asks these servers, one after the other; all of them together have until the deadline.
    pub fn new(servers: Vec<SocketAddr>, deadline: Duration) -> DnsResolver {
        DnsResolver { servers, deadline, kept: Mutex::default() }
    }

    /// Asks the servers that the system names in `/etc/resolv.conf`, or its own.
    pub fn of_system(deadline: Duration) -> DnsResolver {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        DnsResolver::new(name_servers(&text), deadline)
    }

    fn ask(&self, name: &str) -> bool {
        let until = Instant::now() + self.deadline;
        let share = self.deadline / u32::try_from(self.servers.len().max(1)).unwrap_or(1);
        for server in &self.servers {
            let patience = share.min(until.saturating_duration_since(Instant::now()));
            match exchange(*server, name, patience) {
                Ok(found) => return found,
                Err(error) => tracing::debug!(%server, name, %error, "the name server gives no answer"),
            }
        }
        false
    }
}

impl Resolver for DnsResolver {
    fn has_address(&self, name: &str) -> bool {
        let now = Instant::now();
        if let Some((until, found)) = self.kept.lock().get(name)
            && *until > now
        {
            return *found;
        }
        let found = self.ask(name);
        let mut kept = self.kept.lock();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), (now + KEPT_FOR, found));
        found
    }
}

/// The servers that a `resolv.conf` names.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let found: Vec<SocketAddr> =
        named.filter_map(|address| address.trim().parse::<IpAddr>().ok()).map(|address| (address, 53).into()).collect();
    if found.is_empty() { vec![(Ipv4Addr::LOCALHOST, 53).into()] } else { found }
}

/// Whether the server has an address for the name; the error is that it did not answer in time.
fn exchange(server: SocketAddr, name: &str, patience: Duration) -> io::Result<bool> {
    if patience.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let until = Instant::now() + patience;
    let own: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(own)?;
    socket.connect(server)?;
    let question = question(rand::random(), name).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let mut answer = [0; LONGEST_ANSWER];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut answer)?;
        if let Some(found) = read(&question, &answer[..length]) {
            return Ok(found);
        }
        // Not the answer to this question: somebody else's, or nobody's.
    }
}

/// The bytes of a question for an address.
fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 18);
    bytes.extend(id.to_be_bytes());
    // Recursion desired; one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(TYPE_A.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    Some(bytes)
}

/// What an answer says; `None` if it does not answer the question.
fn read(question: &[u8], answer: &[u8]) -> Option<bool> {
    const HEAD: usize = 12;
    let number = |at: usize| answer.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let asked = question.get(HEAD..)?;
    let same_id = question.get(..2) == answer.get(..2);
    let is_answer = answer.get(2)? & 0x80 != 0;
    let echoed = answer.get(HEAD..HEAD + asked.len())?;
    if !same_id || !is_answer || !echoed.eq_ignore_ascii_case(asked) {
        return None;
    }
    let code = answer.get(3)? & 0x0f;
    let mut at = HEAD + asked.len();
    if code == 0 {
        for _ in 0..number(6)? {
            at = after_name(answer, at)?;
            let (kind, class, length) = (number(at)?, number(at + 2)?, usize::from(number(at + 8)?));
            if kind == TYPE_A && class == CLASS_IN && length == 4 {
                return Some(true);
            }
            at += 10 + length;
        }
    }
    Some(false)
}

/// Where the name at `at` ends: after its labels, or after a pointer to the rest of them.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A name server that has one name. It begins each answer with one to another question.
    fn serve(name: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                count.fetch_add(1, Ordering::SeqCst);
                let query = &buffer[..length];
                let known = question(0, name).unwrap()[12..] == query[12..];
                let mut answer = query.to_vec();
                answer[2] |= 0x80;
                let mut stray = answer.clone();
                stray[0] ^= 0xff;
                stray[7] = 1;
                let _ = socket.send_to(&stray, from);
                if known {
                    answer[7] = 2;
                    // An alias first, then the address; both name the question by a pointer.
                    answer.extend([192, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 192, 12]);
                    answer.extend([192, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 2]);
                } else {
                    answer[3] |= 3;
                }
                let _ = socket.send_to(&answer, from);
            }
        });
        (address, asked)
    }

    #[test]
    fn a_server_is_asked_once_and_its_answer_kept() {
        let (server, asked) = serve("2.0.0.127.bl.example");
        let resolver = DnsResolver::new(vec![server], Duration::from_secs(5));
        assert!(resolver.has_address("2.0.0.127.bl.example"));
        assert!(!resolver.has_address("3.0.0.127.bl.example"));
        assert!(resolver.has_address("2.0.0.127.bl.example"));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_silent_server_costs_its_share_of_the_deadline() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (server, _) = serve("a.example");
        let resolver = DnsResolver::new(vec![silent.local_addr().unwrap(), server], Duration::from_millis(400));
        assert!(resolver.has_address("a.example"));
        let nobody = DnsResolver::new(vec![silent.local_addr().unwrap()], Duration::from_millis(50));
        assert!(!nobody.has_address("a.example"));
    }

    #[test]
    fn the_system_names_its_servers() {
        let text = "# mine\nsearch example\nnameserver 192.0.2.1\n nameserver 2001:db8::1\nnameserver x\n";
        assert_eq!(name_servers(text), ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
        assert_eq!(name_servers(""), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn broken_answers_are_no_answers() {
        let asked = question(7, "a.b").unwrap();
        let mut answer = asked.clone();
        answer[2] |= 0x80;
        answer[7] = 1;
        for length in 0..answer.len() {
            assert_eq!(read(&asked, &answer[..length]), None, "{length}");
        }
        assert_eq!(read(&asked, &answer), None, "an answer is announced and missing");
        answer.extend([0x80; 40]);
        assert_eq!(read(&asked, &answer), None, "a label of an unknown kind");
        assert_eq!(question(0, "a..b"), None);
    }
}
