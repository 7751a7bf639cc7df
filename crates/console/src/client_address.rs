//! Who really asks, when trusted proxies stand in between.

use axum::http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Walks `X-Forwarded-For` from the right over trusted proxies to the first address that is not one.
/// What stands further left was written by the client and means nothing.
pub(crate) fn resolve(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.ip().to_canonical();
    let values = headers.get_all("x-forwarded-for").into_iter().rev();
    for item in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = parse(item) else { break };
        client = address;
    }
    client
}

fn parse(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        resolve(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1:5", &["203.0.113.4"]), "192.0.2.1");
        assert_eq!(client("127.0.0.1:5", &["203.0.113.4"]), "203.0.113.4");
        assert_eq!(client("[::ffff:10.0.0.1]:5", &["::ffff:203.0.113.4"]), "203.0.113.4");
        assert_eq!(client("10.0.0.1:5", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_made_up_further_left_is_ignored() {
        assert_eq!(client("10.0.0.1:5", &["8.8.8.8, 203.0.113.4, 10.0.0.7"]), "203.0.113.4");
        assert_eq!(client("10.0.0.1:5", &["8.8.8.8", "203.0.113.4:77"]), "203.0.113.4");
        assert_eq!(client("10.0.0.1:5", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1:5", &["203.0.113.4, nonsense, 10.0.0.7"]), "10.0.0.7");
    }
}
