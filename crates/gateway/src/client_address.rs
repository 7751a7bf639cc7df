//! Which address a request really comes from, and over which protocol, when proxies stand in between.

use crate::head::Head;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The client as seen through trusted proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address; the port is that of the connection to the gateway if no proxy is in between, else 0.
    pub(crate) address: SocketAddr,
    /// Whether the peer of the connection is a trusted proxy, whose `X-Forwarded-*` headers count.
    pub(crate) through_proxy: bool,
}

/// Walks `X-Forwarded-For` from the right over trusted proxies to the first address that is not one.
pub(crate) fn resolve(peer: SocketAddr, head: &Head, trusted: &[IpNet]) -> Client {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    if trusted.is_empty() || !is_trusted(peer.ip()) {
        return Client { address: peer, through_proxy: false };
    }
    let mut client = peer;
    let chain: Vec<&[u8]> = head
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"x-forwarded-for"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .collect();
    for item in chain.into_iter().rev() {
        let Some(address) = parse_address(item) else { break };
        client = SocketAddr::new(address, 0);
        if !is_trusted(address) {
            break;
        }
    }
    Client { address: client, through_proxy: true }
}

fn parse_address(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HeadLimits;

    fn client(peer: &str, forwarded: &str) -> String {
        let mut head = Head::default();
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\n{forwarded}\r\n");
        head.parse(text.as_bytes(), &HeadLimits { request_line: 100, total: 10_000, headers: 10 });
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        resolve(peer.parse().unwrap(), &head, &trusted).address.ip().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1:5", "X-Forwarded-For: 1.2.3.4\r\n"), "192.0.2.1");
        assert_eq!(client("10.0.0.1:5", "X-Forwarded-For: 1.2.3.4\r\n"), "1.2.3.4");
        assert_eq!(client("[::ffff:10.0.0.1]:5", "X-Forwarded-For: 1.2.3.4\r\n"), "1.2.3.4");
    }

    #[test]
    fn what_the_client_made_up_further_left_is_ignored() {
        assert_eq!(client("10.0.0.1:5", "X-Forwarded-For: 8.8.8.8, 1.2.3.4, 10.0.0.7\r\n"), "1.2.3.4");
        assert_eq!(client("10.0.0.1:5", "X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 1.2.3.4:77\r\n"), "1.2.3.4");
        assert_eq!(client("10.0.0.1:5", "X-Forwarded-For: 1.2.3.4, nonsense, 10.0.0.7\r\n"), "10.0.0.7");
        assert_eq!(client("10.0.0.1:5", ""), "10.0.0.1");
    }
}
