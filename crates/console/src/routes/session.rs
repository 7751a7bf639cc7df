//! Logging in and out.

use super::Body;
use crate::auth::{COOKIE, Caller, Client};
use crate::error::{ApiError, ErrorBody};
use crate::schema;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use chrono::{DateTime, Utc};
use parapet_ports::accounts::{LoginError, Principal, Role};
use parapet_ports::{ErrorKind, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// User name.
    username: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// The session of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionInfo {
    /// Who.
    username: String,
    /// What they may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Token that requests which change something must carry in `X-CSRF-Token`.
    csrf: String,
    /// When the session ends at the latest.
    expires: DateTime<Utc>,
}

impl SessionInfo {
    fn new(principal: Principal, csrf: String, expires: DateTime<Utc>) -> Self {
        SessionInfo { username: principal.username, role: principal.role, csrf, expires }
    }
}

/// The current and the new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// Current password.
    #[schema(value_type = String, format = Password)]
    current: Secret,
    /// New password, at least 12 characters.
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Log in.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "login", tag = "session",
    request_body = Credentials,
    responses(
        (status = 200, body = SessionInfo, description = "Logged in",
            headers(("Set-Cookie" = String, description = "`parapet_session`: HttpOnly, SameSite=Strict"))),
        (status = 401, body = ErrorBody, description = "Unknown user or wrong password"),
        (status = 429, body = ErrorBody, description = "Too many failures, see Retry-After",
            headers(("Retry-After" = u64, description = "Seconds until the next attempt is looked at"))),
    )
)]
pub(crate) async fn login(
    State(app): State<App>,
    Client(ip): Client,
    Body(credentials): Body<Credentials>,
) -> Result<impl IntoResponse, ApiError> {
    let session = app
        .console
        .accounts
        .login(&credentials.username, &credentials.password, ip)
        .await
        .map_err(|error| refusal(error, "unknown user or wrong password"))?;
    let lifetime = (session.expires - Utc::now()).num_seconds().max(0);
    let cookie = cookie(session.token.expose(), lifetime, app.settings.secure_cookie);
    let info = SessionInfo::new(session.principal, session.csrf, session.expires);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(info)))
}

/// The session of the caller.
#[utoipa::path(
    get, path = "/api/v1/session", operation_id = "getSession", tag = "session",
    responses(
        (status = 200, body = SessionInfo),
        (status = 401, body = ErrorBody, description = "Not logged in"),
    ),
    security(("session" = []))
)]
pub(crate) async fn current(caller: Caller) -> Json<SessionInfo> {
    let session = caller.session;
    Json(SessionInfo::new(session.principal, session.csrf, session.expires))
}

/// Log out.
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "logout", tag = "session",
    responses(
        (status = 204, description = "Logged out"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody, description = "Missing or wrong X-CSRF-Token"),
    ),
    security(("session" = [], "csrf" = []))
)]
pub(crate) async fn logout(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    app.console.accounts.logout(&caller.token, caller.ip).await?;
    let cookie = cookie("", 0, app.settings.secure_cookie);
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie)])))
}

/// Change the caller's password; ends all other sessions of the user.
#[utoipa::path(
    post, path = "/api/v1/session/password", operation_id = "changePassword", tag = "session",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, body = ErrorBody, description = "The new password breaks the rules (`weak_password`)"),
        (status = 401, body = ErrorBody, description = "Not logged in"),
        (status = 403, body = ErrorBody,
            description = "Wrong current password (`wrong_password`), or missing or wrong X-CSRF-Token (`csrf`)"),
        (status = 429, body = ErrorBody, description = "Too many failures, see Retry-After"),
    ),
    security(("session" = [], "csrf" = []))
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let changed = app.console.accounts.change_password(&caller.token, &change.current, &change.new, caller.ip).await;
    match changed {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // Not 401: the session itself is fine, and clients log out on 401.
        Err(LoginError::Refused) => {
            Err(ApiError::new(StatusCode::FORBIDDEN, "wrong_password", "the current password is wrong"))
        }
        Err(LoginError::Port(error)) if error.kind == ErrorKind::Rejected => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "weak_password", error.to_string()))
        }
        Err(error) => Err(refusal(error, "the current password is wrong")),
    }
}

fn refusal(error: LoginError, refused: &str) -> ApiError {
    match error {
        LoginError::Refused => ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", refused),
        LoginError::Throttled { retry_after_seconds: seconds } => {
            let message = format!("too many failed attempts; try again in {seconds} seconds");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "throttled", message).retry_after(seconds)
        }
        LoginError::Port(error) => error.into(),
    }
}

fn cookie(token: &str, lifetime_seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; Max-Age={lifetime_seconds}; HttpOnly; SameSite=Strict{secure}")
}
