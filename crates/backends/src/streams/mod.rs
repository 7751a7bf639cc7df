//! Streams for production: [`redis`] and [`kafka`], with one [`wire`] format.

pub(crate) mod kafka;
pub(crate) mod redis;
mod wire;
