//! What plugins on Redis share: the servers' options, connections, and what their failures mean.

pub(crate) mod failure;
pub(crate) mod link;
pub(crate) mod servers;
