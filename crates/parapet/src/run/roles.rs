//! Which parts of the work this process has, and whether it can have them alone.

use crate::config::load::ConfigError;
use parapet_ports::node::Role;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeSet;

/// The roles of this process; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Default for Roles {
    /// Everything in one process.
    fn default() -> Self {
        Roles(Role::ALL.into())
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Roles(roles.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names.is_empty() {
            return Err(de::Error::custom("a process needs at least one role"));
        }
        names.iter().map(|name| name.parse().map_err(de::Error::custom)).collect()
    }
}

impl Roles {
    /// Whether this process has the role.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// All of them, in the order of the story.
    pub fn list(&self) -> Vec<Role> {
        self.0.iter().copied().collect()
    }

    /// What two roles hand each other must be reachable from both; what lies in the data directory of
    /// one process is not.
    pub fn check_stream(&self, section: &str, writer: Role, reader: Role, is_shared: bool) -> Option<ConfigError> {
        if is_shared || self.has(writer) == self.has(reader) {
            return None;
        }
        let (here, there) = if self.has(writer) { (writer, reader) } else { (reader, writer) };
        Some(ConfigError {
            place: section.to_owned(),
            message: format!("is kept in the data directory of one process, and only the role {here} runs in this one"),
            hint: Some(format!("give this process the role {there} as well, or use a stream on a server")),
        })
    }

    /// A console needs the history and the alerts, here or from peers.
    pub fn check_peers(&self, has_peers: bool) -> Option<ConfigError> {
        let whole = self.has(Role::Analytics) && self.has(Role::Realtime);
        if !self.has(Role::Console) || whole || has_peers {
            return None;
        }
        Some(ConfigError {
            place: "peers.urls".to_owned(),
            message: "is missing: this process has the role console, but not both analytics and realtime".to_owned(),
            hint: Some("name the processes that have them".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &str) -> Roles {
        names.split(',').map(|name| name.parse::<Role>().unwrap()).collect()
    }

    #[test]
    fn a_stream_in_a_directory_needs_both_its_ends_in_one_process() {
        let check = |names: &str, shared| {
            let error = roles(names).check_stream("streams.spool", Role::Gateway, Role::Router, shared);
            error.map(|error| error.to_string())
        };
        assert_eq!(check("gateway,router", false), None);
        assert_eq!(check("analytics", false), None);
        assert_eq!(check("gateway", true), None);
        assert!(check("gateway", false).unwrap().contains("only the role gateway"));
        assert!(check("router,realtime", false).unwrap().contains("the role gateway as well"));
    }

    #[test]
    fn a_console_needs_peers_unless_it_has_everything_itself() {
        assert!(roles("console").check_peers(false).is_some());
        assert!(roles("console,analytics").check_peers(false).is_some());
        assert!(roles("console").check_peers(true).is_none());
        assert!(Roles::default().check_peers(false).is_none());
        assert!(roles("realtime").check_peers(false).is_none());
    }
}
