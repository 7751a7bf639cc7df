//! Fetching one file over HTTPS.

use parapet_ports::{ErrorKind, PortError};
use std::time::Duration;

/// Downloads `url`, following redirects to other HTTPS addresses only.
///
/// # Errors
/// `Unavailable` when the host cannot be reached or answers with an error, `Rejected` when the
/// answer is longer than `bytes_max`.
pub async fn get(url: &str, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, PortError> {
    get_with(url, None, bytes_max, timeout).await
}

/// The same with a header, its name and its value. The header is sent to this address only: an answer
/// that redirects is an error.
///
/// # Errors
/// As [`get`]; also `Rejected` when the header cannot be sent.
pub async fn get_with(
    url: &str,
    header: Option<(&'static str, &str)>,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Vec<u8>, PortError> {
    let unavailable = |error: reqwest::Error| {
        let reason = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "the host cannot be reached"
        } else {
            "the transfer failed"
        };
        PortError::new(ErrorKind::Unavailable, format!("{url}: {reason}"))
    };
    // Choosing the provider again, where another room already did, is an error without meaning here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects = match header {
        Some(_) => reqwest::redirect::Policy::none(),
        None => reqwest::redirect::Policy::default(),
    };
    let client = reqwest::Client::builder()
        .https_only(true)
        .redirect(redirects)
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(unavailable)?;
    let mut request = client.get(url);
    if let Some((name, value)) = header {
        let value = reqwest::header::HeaderValue::from_str(value).map_err(|_| {
            PortError::new(ErrorKind::Rejected, format!("{url}: the {name} cannot be sent in a header"))
        })?;
        request = request.header(name, value);
    }
    let mut response = request.send().await.map_err(unavailable)?;
    if !response.status().is_success() {
        return Err(PortError::new(ErrorKind::Unavailable, format!("{url}: answered {}", response.status())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(PortError::new(ErrorKind::Rejected, format!("{url}: longer than {bytes_max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_http_is_refused() {
        let outcome = get("http://127.0.0.1:1/", 10, Duration::from_secs(1)).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_value_that_is_no_header_is_refused() {
        let header = Some(("ModSec-key", "a\nb"));
        let outcome = get_with("https://127.0.0.1:1/", header, 10, Duration::from_secs(1)).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Rejected);
    }

    #[tokio::test]
    async fn a_closed_port_is_reported_as_unreachable() {
        let error = get("https://127.0.0.1:1/", 10, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("cannot be reached"), "{error}");
    }
}
