//! `@rbl`: whether a real-time block list has an address or a host name.
//!
//! A list is a DNS zone: `192.0.2.1` is looked up as `1.2.0.192.zone`, an IPv6 address digit by digit
//! (RFC 5782), a host name as it is. The engine has no network; a [`Resolver`] asks for it.

use std::net::IpAddr;

/// Answers names for `@rbl`. The engine waits for the answer, so an implementation keeps a deadline.
pub trait Resolver: Send + Sync {
    /// Whether the name has an address record. `false` also when that is not known in time.
    fn has_address(&self, name: &str) -> bool;
}

/// The zone of a list, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rbl {
    zone: String,
    key: Option<String>,
}

/// Longest name that DNS can carry.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

impl Rbl {
    /// Compiles the argument. `None`: a list of Project Honey Pot (`dnsbl.httpbl.org`), which answers
    /// only with a key (`SecHttpBlKey`).
    pub(crate) fn compile(argument: &[u8], key: Option<&[u8]>) -> Result<Option<Rbl>, String> {
        let zone = std::str::from_utf8(argument.trim_ascii()).map_err(|_| "the zone is not text".to_owned())?;
        let zone = zone.trim_matches('.').to_ascii_lowercase();
        if !is_name(&zone) {
            return Err(format!("`{zone}` is no DNS zone such as zen.spamhaus.org"));
        }
        let key = key.map(|key| String::from_utf8_lossy(key).to_ascii_lowercase());
        let needs_key = zone == "httpbl.org" || zone.ends_with(".httpbl.org");
        if needs_key && key.is_none() {
            return Ok(None);
        }
        Ok(Some(Rbl { zone, key: key.filter(|_| needs_key) }))
    }

    /// The name to look up for a value; `None` if the value is neither an address nor a host name.
    pub(crate) fn name(&self, value: &[u8]) -> Option<String> {
        let value = std::str::from_utf8(value).ok()?.trim().trim_end_matches('.');
        let subject = match value.parse() {
            Ok(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}")
            }
            Ok(IpAddr::V6(address)) => {
                let digits = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
                digits.map(|digit| format!("{digit:x}")).collect::<Vec<_>>().join(".")
            }
            Err(_) => value.to_ascii_lowercase(),
        };
        let name = match &self.key {
            Some(key) => format!("{key}.{subject}.{}", self.zone),
            None => format!("{subject}.{}", self.zone),
        };
        (is_name(&subject) && name.len() <= LONGEST_NAME).then_some(name)
    }
}

/// Whether text is labels of letters, digits, hyphens and underscores.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= LONGEST_NAME && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_turned_round_and_names_stay() {
        let rbl = Rbl::compile(b"bl.example.org", None).unwrap().unwrap();
        assert_eq!(rbl.name(b"192.0.2.1").as_deref(), Some("1.2.0.192.bl.example.org"));
        assert_eq!(rbl.name(b"Evil.Example.").as_deref(), Some("evil.example.bl.example.org"));
        let v6 = rbl.name(b"2001:db8::1").unwrap();
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.bl.example.org"), "{v6}");
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let rbl = Rbl::compile(b"bl.example.org", None).unwrap().unwrap();
        for value in [&b""[..], b"a b", b"..", b"\xff", b"a..b", &[b'a'; 64], &b"a.".repeat(200)] {
            assert_eq!(rbl.name(value), None, "{}", value.escape_ascii());
        }
        assert!(Rbl::compile(b"not a zone", None).is_err());
    }

    #[test]
    fn project_honey_pot_needs_its_key() {
        assert_eq!(Rbl::compile(b"dnsbl.httpbl.org", None), Ok(None));
        let rbl = Rbl::compile(b"dnsbl.httpbl.org", Some(b"abcdefghijkl")).unwrap().unwrap();
        assert_eq!(rbl.name(b"192.0.2.1").as_deref(), Some("abcdefghijkl.1.2.0.192.dnsbl.httpbl.org"));
        let other = Rbl::compile(b"bl.example.org", Some(b"abcdefghijkl")).unwrap().unwrap();
        assert_eq!(other.name(b"192.0.2.1").as_deref(), Some("1.2.0.192.bl.example.org"));
    }
}
