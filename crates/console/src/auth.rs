//! Who calls: the session cookie, the CSRF header and the roles.

use crate::client_address::resolve;
use crate::error::ApiError;
use crate::state::{App, NodeApp};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use parapet_ports::Secret;
use parapet_ports::accounts::{ActiveSession, Role};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "parapet_session";
/// Header that carries the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// The other end of the connection; put there by the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Who asks, through trusted proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) IpAddr);

impl<S> FromRequestParts<S> for Client
where
    NodeApp: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Some(Peer(peer)) = parts.extensions.get::<Peer>() else {
            let message = "the server does not know where the request came from";
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message));
        };
        Ok(Client(resolve(*peer, &parts.headers, &NodeApp::from_ref(state).settings.trusted_proxies)))
    }
}

/// An authenticated caller. Extracting it is the login check of every handler, and for requests
/// that change something also the CSRF check, so neither can be forgotten.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) session: ActiveSession,
    pub(crate) token: Secret,
    pub(crate) ip: IpAddr,
}

impl Caller {
    /// Refuses callers below `role`.
    pub(crate) fn require(&self, role: Role) -> Result<(), ApiError> {
        if self.session.principal.role >= role {
            return Ok(());
        }
        let needed = match role {
            Role::Viewer => "viewer",
            Role::Analyst => "analyst",
            Role::Admin => "admin",
        };
        let message = format!("this needs the role {needed}; ask an administrator");
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Client(ip) = Client::from_request_parts(parts, app).await?;
        let token = session_token(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        let session = app.console.accounts.session(&token).await?.ok_or_else(ApiError::unauthorized)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let given = parts.headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
            if !same(given, session.csrf.as_bytes()) {
                let message = "the X-CSRF-Token header is missing or is not the one of this session";
                return Err(ApiError::new(StatusCode::FORBIDDEN, "csrf", message));
            }
        }
        Ok(Caller { session, token, ip })
    }
}

/// The value of the session cookie.
fn session_token(headers: &HeaderMap) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| Secret::new(value))
}

/// Compares secrets in a time that depends on neither: their hashes are compared, whose bytes
/// nobody can steer.
pub(crate) fn same(given: &[u8], wanted: &[u8]) -> bool {
    Sha256::digest(given) == Sha256::digest(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_session_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; xparapet_session=no"));
        assert!(session_token(&headers).is_none());
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark;parapet_session=abc"));
        assert_eq!(session_token(&headers).unwrap().expose(), "abc");
    }

    #[test]
    fn secrets_are_equal_only_when_all_bytes_are() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"", b"abc") && !same(b"ab", b"abc") && !same(b"abcd", b"abc"));
    }
}
