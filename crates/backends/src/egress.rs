//! HTTP to configured URLs: one client, one egress policy, one reading of answers.
//!
//! Unless a plugin's `allow_private` is set, connections are made only to public addresses
//! ([`parapet_ports::egress`]). The check is in the client's resolver, so it holds for the very
//! address that is connected to, whatever the name resolved to a moment before. Redirects are not
//! followed and proxies from the environment are not used, because either would go around it.
//!
//! The path, query and user of a URL are secrets (chat systems put their tokens there): messages only
//! ever show scheme, host and port.

use parapet_ports::egress::is_public;
use parapet_ports::{ErrorKind, PortError, Secret};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, StatusCode, Url};
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Backstop; the delivery layer has its own, configured limit.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// A checked target.
#[derive(Clone)]
pub(crate) struct Target {
    url: Url,
    allow_private: bool,
}

impl Target {
    /// Checks a URL without any I/O. `field` names it in errors.
    ///
    /// # Errors
    /// `Config` if it is no http(s) URL, or names a private address and that is not allowed.
    pub(crate) fn new(field: &str, url: &Secret, allow_private: bool) -> Result<Self, PortError> {
        let wrong = |what: String| PortError::new(ErrorKind::Config, format!("{field}: {what}"));
        // The parser's message names the defect, not the text.
        let url = Url::parse(url.expose()).map_err(|error| wrong(format!("not a URL ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("scheme \"{}\" is not supported; use https or http", url.scheme())));
        }
        let target = Target { url, allow_private };
        let literal = target.url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        match literal.map(str::parse::<IpAddr>) {
            None => Err(wrong("the URL has no host".into())),
            Some(Ok(address)) if !allow_private && !is_public(address) => {
                Err(wrong(format!("{address} is not a public address; set allow_private = true to allow it")))
            }
            Some(_) => Ok(target),
        }
    }

    /// Whether what is sent can be read on the way: no TLS, and not to this machine itself.
    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        let host = self.url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let is_here = host.is_some_and(|host| {
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        self.url.scheme() == "http" && !is_here
    }

    /// The URL to connect to.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// A client that keeps to the policy.
    ///
    /// # Errors
    /// `Unavailable` if the system's certificates cannot be read.
    pub(crate) fn client(&self) -> Result<Client, PortError> {
        self.build(self.client_builder())
    }

    /// The same before it is built, for what a plugin adds.
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        // An error says that a provider is already installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(concat!("parapet/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX);
        if self.allow_private { builder } else { builder.dns_resolver(PublicOnly) }
    }

    /// Builds a client.
    ///
    /// # Errors
    /// As [`Target::client`].
    pub(crate) fn build(&self, builder: ClientBuilder) -> Result<Client, PortError> {
        builder.build().map_err(|error| {
            PortError::new(ErrorKind::Unavailable, format!("no HTTP client for {self}")).with_source(error)
        })
    }

    /// Reads the answer: 2xx is success; 408, 425, 429 and 5xx may work later, after `Retry-After` if
    /// the other side says so; everything else never will.
    ///
    /// # Errors
    /// `Unavailable` for what may work later, `Rejected` for the rest.
    pub(crate) fn read_status(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), PortError> {
        if status.is_success() {
            return Ok(());
        }
        if status.is_redirection() {
            return Err(PortError::new(
                ErrorKind::Rejected,
                format!("{self} answered {status}; redirects are not followed, configure the final URL"),
            ));
        }
        let later = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
        let kind = if later { ErrorKind::Unavailable } else { ErrorKind::Rejected };
        let error = PortError::new(kind, format!("{self} answered {status}"));
        Err(match retry_after(headers).filter(|_| later) {
            Some(delay) => error.with_retry_after(delay),
            None => error,
        })
    }

    /// A failure to send, without the URL. A target that the policy refuses will not work later.
    pub(crate) fn failure(&self, error: reqwest::Error) -> PortError {
        let error = error.without_url();
        let causes = || std::iter::successors(error.source(), |&cause| cause.source());
        let kind = if causes().any(|cause| cause.is::<PrivateTarget>()) || error.is_builder() {
            ErrorKind::Rejected
        } else {
            ErrorKind::Unavailable
        };
        let reason = causes().last().map_or_else(|| error.to_string(), ToString::to_string);
        PortError::new(kind, format!("{self}: {reason}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Seconds or an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (date.to_utc() - chrono::Utc::now()).to_std().ok()
}

/// Resolves names to their public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(PrivateTarget { name: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug)]
struct PrivateTarget {
    name: String,
}

impl fmt::Display for PrivateTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no public address; set allow_private = true to allow private ones", self.name)
    }
}

impl Error for PrivateTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, allow_private: bool) -> Result<Target, PortError> {
        Target::new("webhook_url", &Secret::new(url), allow_private)
    }

    #[test]
    fn addresses_inside_are_refused_in_every_notation() {
        for url in [
            "http://127.0.0.1/x",
            "http://2130706433/x",
            "http://0x7f.1/x",
            "http://0177.0.0.1/x",
            "http://[::1]/x",
            "http://[::ffff:169.254.169.254]/x",
            "https://10.0.0.1:8443/x",
            "http://169.254.169.254/latest/meta-data",
        ] {
            let error = target(url, false).err().unwrap_or_else(|| panic!("{url} was accepted"));
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(target(url, true).is_ok(), "{url}");
        }
        assert!(target("https://1.1.1.1/x", false).is_ok());
    }

    #[test]
    fn what_is_no_web_address_is_refused_without_showing_it() {
        for url in ["file:///etc/passwd", "gopher://x/", "not a url", "https://", "//hooks.example/secret"] {
            let error = target(url, true).err().unwrap_or_else(|| panic!("{url} was accepted"));
            assert!(error.to_string().starts_with("webhook_url: "), "{error}");
        }
        assert!(!target("hooks.example/secret", true).err().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn messages_show_no_path_query_or_user() {
        let target = target("https://user:word@hooks.example:8443/services/T0/B0?key=1", false).unwrap();
        assert_eq!(target.to_string(), "https://hooks.example:8443");
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused_for_good() {
        let target = target("http://localhost:9/secret", false).unwrap();
        let error = target.client().unwrap().get(target.url()).send().await.unwrap_err();
        let error = target.failure(error);
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert!(error.to_string().contains("no public address"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn answers_are_read_as_success_later_or_never() {
        let target = target("https://hooks.example/x", false).unwrap();
        let read = |status: u16, retry: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(retry) = retry {
                headers.insert(RETRY_AFTER, retry.parse().unwrap());
            }
            target.read_status(StatusCode::from_u16(status).unwrap(), &headers)
        };
        for status in [200, 201, 202, 204] {
            assert!(read(status, None).is_ok());
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(read(status, None).unwrap_err().kind, ErrorKind::Unavailable, "{status}");
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 410, 413, 422] {
            assert_eq!(read(status, None).unwrap_err().kind, ErrorKind::Rejected, "{status}");
        }
        assert_eq!(read(429, Some("7")).unwrap_err().retry_after, Some(Duration::from_secs(7)));
        let date = (chrono::Utc::now() + chrono::TimeDelta::seconds(90)).to_rfc2822();
        let delay = read(503, Some(&date)).unwrap_err().retry_after.unwrap();
        assert!((80..=90).contains(&delay.as_secs()), "{delay:?}");
        assert_eq!(read(503, Some("soon")).unwrap_err().retry_after, None);
    }
}
