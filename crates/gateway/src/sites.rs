//! The protected applications at run time, found by host name.

use crate::config::{Config, Mode, UpstreamAddress};
use crate::counters::SiteCounters;
use crate::upstream::UpstreamSet;
use std::collections::HashMap;
use std::sync::Arc;

/// One application.
#[derive(Debug)]
pub(crate) struct Site {
    /// Name in events, metrics and logs.
    pub(crate) name: String,
    /// Its servers.
    pub(crate) upstreams: UpstreamSet,
    /// Whether WebSocket handshakes are passed on.
    pub(crate) websocket: bool,
    /// Override of the rule engine.
    pub(crate) mode: Option<Mode>,
    /// Largest request body in bytes.
    pub(crate) request_body_bytes: u64,
    /// What happened here.
    pub(crate) counters: SiteCounters,
}

/// All applications.
#[derive(Debug)]
pub(crate) struct Sites {
    sites: Vec<Arc<Site>>,
    by_host: HashMap<Vec<u8>, usize>,
    /// Suffixes such as `.example.com`, longest first.
    wildcards: Vec<(Vec<u8>, usize)>,
    default: usize,
}

/// Longest host name in DNS.
const HOST_MAX: usize = 255;

impl Sites {
    /// From a configuration without errors.
    pub(crate) fn new(config: &Config) -> Self {
        let mut sites = Vec::new();
        let mut by_host = HashMap::new();
        let mut wildcards: Vec<(Vec<u8>, usize)> = Vec::new();
        let mut servers = 0;
        for (index, site) in config.sites.iter().enumerate() {
            let addresses: Vec<UpstreamAddress> = site.upstreams.iter().filter_map(|text| text.parse().ok()).collect();
            let count = addresses.len();
            sites.push(Arc::new(Site {
                name: site.name.clone(),
                upstreams: UpstreamSet::new(addresses, servers),
                websocket: site.websocket,
                mode: site.mode,
                request_body_bytes: site.request_body_bytes.unwrap_or(config.limits.request_body_bytes),
                counters: SiteCounters::new(&site.name),
            }));
            servers += count;
            for host in &site.hosts {
                let host = host.to_ascii_lowercase();
                match host.strip_prefix('*') {
                    Some(suffix) => wildcards.push((suffix.as_bytes().to_vec(), index)),
                    None => {
                        by_host.insert(host.into_bytes(), index);
                    }
                }
            }
        }
        wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        let default = config.sites.iter().position(|site| site.default).unwrap_or(0);
        Sites { sites, by_host, wildcards, default }
    }

    /// The site that serves a host (with or without port), else the default.
    pub(crate) fn find(&self, host: &[u8]) -> Option<&Arc<Site>> {
        self.sites.get(self.position(host).unwrap_or(self.default))
    }

    /// All sites in the order of the configuration.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.iter()
    }

    /// Servers of all sites together.
    pub(crate) fn server_count(&self) -> usize {
        self.sites.iter().map(|site| site.upstreams.servers().len()).sum()
    }

    fn position(&self, host: &[u8]) -> Option<usize> {
        if self.by_host.is_empty() && self.wildcards.is_empty() {
            return None;
        }
        let name = without_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut buffer = [0; HOST_MAX];
        let lower = buffer.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let lower: &[u8] = lower;
        self.by_host.get(lower).copied().or_else(|| {
            let below = |suffix: &[u8]| lower.len() > suffix.len() && lower.ends_with(suffix);
            self.wildcards.iter().find(|(suffix, _)| below(suffix)).map(|(_, index)| *index)
        })
    }
}

/// The host of an authority.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(colon) if host[colon..].contains(&b']') => host,
        Some(colon) => &host[..colon],
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SiteConfig;

    fn sites() -> Sites {
        let site = |name: &str, hosts: &[&str], default| SiteConfig {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            default,
            ..SiteConfig::new(name, vec!["127.0.0.1:1".to_owned()])
        };
        Sites::new(&Config {
            sites: vec![
                site("a", &["A.example", "[::1]"], false),
                site("b", &["*.b.example"], false),
                site("c", &["*.x.b.example"], false),
                site("d", &[], true),
            ],
            ..Config::default()
        })
    }

    #[test]
    fn hosts_choose_their_site() {
        let sites = sites();
        let name = |host: &[u8]| sites.find(host).unwrap().name.clone();
        assert_eq!(name(b"a.EXAMPLE:8080"), "a");
        assert_eq!(name(b"a.example."), "a");
        assert_eq!(name(b"[::1]:80"), "a");
        assert_eq!(name(b"www.b.example"), "b");
        assert_eq!(name(b"www.x.b.example"), "c");
        assert_eq!(name(b"b.example"), "d");
        assert_eq!(name(b""), "d");
        assert_eq!(name(&[b'a'; 4000]), "d");
    }
}
