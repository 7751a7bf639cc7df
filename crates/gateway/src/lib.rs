//! The reverse proxy in front of the protected applications.
//!
//! The life of a request, one file per verb: `listen` → `client` (reads the head) → `framing` → `receive`
//! (reads the body) → `inspection` → `forward` → `relay` → `record`; `exchange` calls them in this order.
//! The proxy framework provides listeners, streams and TLS; the HTTP/1 session is our own, because the
//! rules must see the bytes that the client sent, and the verdict on a body must fall before the upstream
//! sees a byte of the request.

mod access_log;
mod audit_log;
mod body;
mod budget;
mod chunked;
mod client;
mod client_address;
mod collections;
mod config;
mod counters;
mod dns;
mod exchange;
mod fault;
mod forward;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gateway;
mod head;
mod inspection;
mod listen;
mod log_writer;
mod page;
mod policies;
mod receive;
mod record;
mod refusal;
mod relay;
mod response_head;
mod sites;
mod target;
mod text;
mod tunnel;
mod upstream;
mod worker;

pub use collections::CollectionsConfig;
pub use config::{Config, ConfigError, FailDirection, FailPolicy, Limits, Mode, Redact, SiteConfig, Timeouts};
pub use dns::DnsResolver;
pub use gateway::{Gateway, Traffic};
pub use policies::PolicySet;
pub use refusal::refusal;
