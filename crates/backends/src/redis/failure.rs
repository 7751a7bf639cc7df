//! What a failure of Redis means for the caller.

use parapet_ports::{ErrorKind, PortError};
use redis::{ErrorKind as RedisKind, RedisError, ServerErrorKind};

/// The error at the seam. Whatever is not known to be permanent may work later.
pub(crate) fn port_error(stream: &str, doing: &str, error: RedisError) -> PortError {
    let (kind, hint) = match (error.kind(), error.code()) {
        (_, Some("OOM")) => (ErrorKind::Full, "; the server has reached its maxmemory"),
        (_, Some("WRONGTYPE")) => (ErrorKind::Config, "; the key holds something else, choose another `stream`"),
        (RedisKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            (ErrorKind::Config, "; check `username` and `password`")
        }
        _ if lacks_permission(&error) => {
            (ErrorKind::Config, "; the user lacks a permission (docs/streams.md lists them)")
        }
        (RedisKind::InvalidClientConfig, _) => (ErrorKind::Config, ""),
        _ => (ErrorKind::Unavailable, ""),
    };
    PortError::new(kind, format!("{stream}: {doing}{hint}")).with_source(error)
}

/// A script that may not run one of its commands fails with a text only.
fn lacks_permission(error: &RedisError) -> bool {
    error.kind() == RedisKind::Server(ServerErrorKind::NoPerm)
        || error.detail().is_some_and(|detail| detail.contains("user executing the script can't"))
}

/// Whether the connection must be replaced: it is gone, or it leads to the wrong server (a master that
/// became a replica).
pub(crate) fn breaks_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), RedisKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// Whether the stream or the group is not there, as after a server lost its data.
pub(crate) fn is_group_missing(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}
