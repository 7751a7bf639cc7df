//! Sources that need a client of a remote system.

pub(crate) mod kafka;
