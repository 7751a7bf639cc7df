//! The one error shape of the API: `{"error":{"code":"…","message":"…"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parapet_ports::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every answer that is not a success.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for programs and for people.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable name for programs.
    #[schema(example = "bad_parameter")]
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: message.into(), retry_after_seconds: None }
    }

    pub(crate) fn unauthorized() -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "no valid session: log in first")
    }

    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl From<PortError> for ApiError {
    /// The whole message goes to the log; the client learns whether trying again can help.
    fn from(error: PortError) -> Self {
        tracing::error!(error = %error, kind = ?error.kind, "a console request failed");
        match error.kind {
            ErrorKind::Rejected => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "rejected", error.to_string()),
            ErrorKind::Unsupported => ApiError::new(StatusCode::NOT_IMPLEMENTED, "unsupported", error.to_string()),
            _ if error.is_transient() => {
                let seconds = error.retry_after.map_or(5, |delay| delay.as_secs().max(1));
                let message = "a store is not available right now, see /readyz and the log; try again";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(seconds)
            }
            _ => {
                let message = "the server failed; its log has the cause under this request id";
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let detail = ErrorDetail { code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(ErrorBody { error: detail })).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
