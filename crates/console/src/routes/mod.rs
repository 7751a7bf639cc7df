//! The endpoints, one file per noun. Each handler carries its OpenAPI description.

pub(crate) mod alerts;
pub(crate) mod events;
pub(crate) mod live;
pub(crate) mod overview;
pub(crate) mod probes;
pub(crate) mod session;

use crate::error::ApiError;
use axum::Json;
use axum::extract::FromRequest;
use axum::extract::rejection::JsonRejection;
use ulid::Ulid;

/// A JSON body; what is wrong with it is answered in the error shape of the API.
#[derive(Debug, FromRequest)]
#[from_request(via(Json), rejection(ApiError))]
pub(crate) struct Body<T>(pub(crate) T);

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        ApiError::new(rejection.status(), "bad_body", rejection.body_text())
    }
}

/// The id at the end of a path.
pub(crate) fn parse_id(text: &str) -> Result<Ulid, ApiError> {
    Ulid::from_string(text).map_err(|_| {
        ApiError::bad_parameter(
            "parameter `id` is not a ULID: 26 letters and digits such as 01JDA5ZQ3V0000000000000000",
        )
    })
}
