//! REST API, live stream and the web console.
//!
//! A request runs top to bottom through these files: `listener` (connections, limits, shutdown),
//! `protect` (request id, Host check, security headers, deadline), `openapi` (the list of routes),
//! `auth` (who calls), `routes` (one file per noun), `schema` (what goes over the wire); everything
//! that is not the API is the web UI in `assets`. `peer` is what other processes of the installation
//! may ask, where roles are split over machines.

mod assets;
mod auth;
mod client_address;
mod config;
mod cursor;
mod error;
mod listener;
mod openapi;
mod parameters;
mod peer;
mod protect;
#[allow(unused_qualifications, reason = "the OpenAPI macro writes full paths")]
mod routes;
pub mod schema;
mod state;

pub use config::{Config, ConfigError};
pub use error::{ErrorBody, ErrorDetail};
pub use listener::{ServeError, Server, serve};
pub use openapi::openapi_json;
pub use peer::PeerApi;
pub use state::{Console, Front, Info, Node};
