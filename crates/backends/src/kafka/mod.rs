//! What plugins on Kafka share: the brokers' options, and what their failures mean.

pub(crate) mod brokers;
pub(crate) mod failure;
