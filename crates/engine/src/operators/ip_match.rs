//! `@ipMatch` and `@ipMatchFromFile`: addresses and networks, IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A set of addresses, as sorted ranges that do not touch.
#[derive(Debug, Clone, Default)]
pub(crate) struct IpMatch {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl IpMatch {
    /// Reads a comma-separated list of addresses and networks (`10.0.0.0/8`).
    pub(crate) fn compile(argument: &[u8]) -> Result<IpMatch, String> {
        let mut set = IpMatch::default();
        for item in argument.split(|&byte| byte == b',') {
            set.add(item)?;
        }
        set.sort();
        Ok(set)
    }

    /// Reads a file: one address or network in a line; `#` begins a comment. The first line that is
    /// neither is the error.
    pub(crate) fn compile_file(text: &[u8]) -> Result<IpMatch, String> {
        let mut set = IpMatch::default();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let item = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
            if !item.is_empty() {
                set.add(item).map_err(|error| format!("line {}: {error}", index + 1))?;
            }
        }
        set.sort();
        Ok(set)
    }

    /// Whether the value is an address of the set. An IPv4 address written as IPv6 (`::ffff:…`) counts
    /// as both.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let address = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        match address {
            Some(IpAddr::V4(address)) => self.has_v4(address),
            Some(IpAddr::V6(address)) => {
                contains(&self.v6, address.to_bits()) || address.to_ipv4_mapped().is_some_and(|v4| self.has_v4(v4))
            }
            None => false,
        }
    }

    fn has_v4(&self, address: Ipv4Addr) -> bool {
        contains(&self.v4, address.to_bits())
    }

    fn add(&mut self, item: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(item.trim_ascii());
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| {
                format!(
                    "`{}` is neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32",
                    text.escape_debug()
                )
            })?),
        };
        match network {
            IpNet::V4(network) => self.v4.push((network.network().to_bits(), network.broadcast().to_bits())),
            IpNet::V6(network) => {
                self.v6.push((network.network().to_bits(), Ipv6Addr::to_bits(network.broadcast())));
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        merge(&mut self.v4);
        merge(&mut self.v6);
    }
}

/// Sorts ranges and joins those that overlap.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(next.1);
        }
        overlaps
    });
}

/// Whether a sorted range holds the value.
fn contains<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= value);
    after.checked_sub(1).is_some_and(|at| value <= ranges[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_of_both_families_match() {
        let set = IpMatch::compile(b"10.1.0.0/16, 192.0.2.7,2001:db8::/32 , ::1,10.1.2.0/24").unwrap();
        for inside in ["10.1.255.255", "192.0.2.7", "2001:db8::1", "::1", "::ffff:10.1.2.3"] {
            assert!(set.matches(inside.as_bytes()), "{inside}");
        }
        for outside in ["10.2.0.0", "192.0.2.8", "2001:db9::", "::2", "", "10.1.0.0/16", "x", "\u{ff11}0.1.0.0"] {
            assert!(!set.matches(outside.as_bytes()), "{outside}");
        }
    }

    #[test]
    fn a_wrong_entry_is_an_error_that_names_it() {
        assert!(IpMatch::compile(b"10.0.0.0/33").unwrap_err().contains("10.0.0.0/33"));
        assert!(IpMatch::compile(b"10.0.0.1,").is_err());
        let error = IpMatch::compile_file(b"# a comment\n10.0.0.0/8 # mine\n\nhost.example\n").unwrap_err();
        assert!(error.contains("line 4") && error.contains("host.example"), "{error}");
        assert!(IpMatch::compile_file(b"10.0.0.0/8\r\n::1\r\n").unwrap().matches(b"::1"));
    }
}
