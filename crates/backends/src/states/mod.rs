//! State that instances share.

pub(crate) mod redis;
