//! Settings of the console.

use axum::http::Uri;
use ipnet::IpNet;
use parapet_ports::Secret;
use parapet_ports::tls::Tls;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of the console. The defaults are those of one machine: loopback only, plain HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub bind: SocketAddr,
    /// Certificate of the listener, which then speaks HTTPS only; with `client_ca` it answers only clients
    /// with a certificate of that authority.
    pub tls: Option<Tls>,
    /// URL under which people reach the console, if it is not the bind address; for example
    /// `https://waf.example.com`. Its host is accepted in the Host header.
    pub public_url: Option<String>,
    /// Marks the session cookie `Secure`. Default: whether `tls` is set or `public_url` is https.
    pub secure_cookie: Option<bool>,
    /// Further host names accepted in the Host header. IP addresses, `localhost` and the host of
    /// `public_url` always are; other names are refused, which stops DNS rebinding.
    pub allowed_hosts: Vec<String>,
    /// Addresses or networks of proxies in front of the console whose `X-Forwarded-For` is believed.
    /// Without them all logins through a proxy seem to come from one address and are throttled
    /// together.
    pub trusted_proxies: Vec<String>,
    /// Bearer token for `/metrics`. Without one, `/metrics` answers only clients on this machine, and
    /// only where `bind` is loopback and no `public_url` says that a proxy stands in front.
    pub metrics_token: Option<Secret>,
    /// Connections at the same time; further ones wait.
    pub connections_max: usize,
    /// Watchers of the live stream at the same time; further ones are told to come back.
    pub watchers_max: usize,
    /// Seconds a request may take, its body included.
    pub request_timeout_seconds: u64,
    /// Seconds that open requests get to finish on shutdown.
    pub shutdown_grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090),
            tls: None,
            public_url: None,
            secure_cookie: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            metrics_token: None,
            connections_max: 1024,
            watchers_max: 128,
            request_timeout_seconds: 30,
            shutdown_grace_seconds: 5,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("console.{setting}: {problem}")]
pub struct ConfigError {
    /// Name of the setting.
    pub setting: &'static str,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

impl Config {
    /// Checks the settings without any I/O.
    ///
    /// # Errors
    /// Every setting that cannot be used.
    pub fn validate(&self) -> Result<(), Vec<ConfigError>> {
        self.settings().map(|_| ())
    }

    /// The settings in the form the server works with.
    pub(crate) fn settings(&self) -> Result<Settings, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut error = |setting, problem: String| errors.push(ConfigError { setting, problem });
        let public = self.public_url.as_deref().and_then(|text| match public_url(text) {
            Ok(parts) => Some(parts),
            Err(problem) => {
                error("public_url", problem);
                None
            }
        });
        for (setting, value) in [
            ("connections_max", self.connections_max as u64),
            ("watchers_max", self.watchers_max as u64),
            ("request_timeout_seconds", self.request_timeout_seconds),
        ] {
            // The upper bound is far above any use and below what a semaphore or timer can hold.
            if !(1..=1_000_000).contains(&value) {
                error(setting, format!("{value} is out of range, write a number from 1 to 1000000"));
            }
        }
        if self.metrics_token.as_ref().is_some_and(|token| token.expose().len() < 16) {
            error("metrics_token", "is shorter than 16 characters, write a longer random text".to_owned());
        }
        let mut trusted_proxies = Vec::new();
        for text in &self.trusted_proxies {
            match text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
                Some(network) => trusted_proxies.push(network),
                None => {
                    error("trusted_proxies", format!("`{text}` is neither an address nor a network like 10.0.0.0/8"))
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut hosts: Vec<String> = self.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let https = self.tls.is_some() || public.as_ref().is_some_and(|(https, _)| *https);
        hosts.extend(public.map(|(_, host)| host));
        Ok(Settings {
            hosts,
            https,
            secure_cookie: self.secure_cookie.unwrap_or(https),
            trusted_proxies,
            metrics_token: self.metrics_token.clone(),
            local_metrics: self.bind.ip().is_loopback() && self.public_url.is_none(),
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
        })
    }
}

/// Whether the URL is https, and its host in lower case.
fn public_url(text: &str) -> Result<(bool, String), String> {
    let want = "write it like https://waf.example.com";
    let uri: Uri = text.parse().map_err(|error| format!("`{text}` is not a URL ({error}), {want}"))?;
    let https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(format!("`{text}` starts neither with https:// nor http://, {want}")),
    };
    if uri.path() != "/" || uri.query().is_some() {
        return Err(format!("`{text}` has a path or query; the console is served at the root of its host, {want}"));
    }
    let host = uri.host().ok_or_else(|| format!("`{text}` has no host, {want}"))?;
    Ok((https, host.to_ascii_lowercase()))
}

/// [`Config`] in the form the server works with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Host names accepted beside IP addresses and `localhost`, in lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) https: bool,
    pub(crate) secure_cookie: bool,
    pub(crate) metrics_token: Option<Secret>,
    /// Whether clients on this machine may read the metrics without a token.
    pub(crate) local_metrics: bool,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) request_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &Config) -> String {
        config.validate().unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_https_public_url_makes_the_cookie_secure_and_its_host_known() {
        let config = Config { public_url: Some("https://WAF.example.com:8443".into()), ..Config::default() };
        let settings = config.settings().unwrap();
        assert!(settings.secure_cookie && settings.https);
        assert_eq!(settings.hosts, ["waf.example.com"]);
        assert!(!Config::default().settings().unwrap().secure_cookie);
    }

    #[test]
    fn all_wrong_settings_are_reported_at_once_by_name() {
        let config = Config {
            public_url: Some("waf.example.com/console".into()),
            watchers_max: 0,
            trusted_proxies: vec!["10.0.0.0/33".into()],
            metrics_token: Some(Secret::new("short")),
            ..Config::default()
        };
        let problems = problems(&config);
        for setting in ["public_url", "watchers_max", "trusted_proxies", "metrics_token"] {
            assert!(problems.contains(&format!("console.{setting}: ")), "{problems}");
        }
        assert!(!problems.contains("short`"), "the token must not be shown: {problems}");
    }
}
