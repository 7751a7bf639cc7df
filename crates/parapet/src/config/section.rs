//! A table that only a plugin can decode.

use crate::config::load::ConfigError;
use parapet_ports::registry::{self, Plugin, Ready, Settings};
use serde::Deserialize;

/// `kind = "…"` and whatever that kind of plugin wants beside it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Section {
    kind: String,
    table: toml::Table,
}

impl TryFrom<toml::Table> for Section {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        match table.remove("kind") {
            Some(toml::Value::String(kind)) => Ok(Section { kind, table }),
            Some(_) => Err("`kind` must be a string".to_owned()),
            None => Err("missing field `kind`".to_owned()),
        }
    }
}

impl Section {
    /// A section with nothing but a kind.
    pub fn of_kind(kind: &str) -> Section {
        Section { kind: kind.to_owned(), table: toml::Table::new() }
    }

    /// The same section, with an entry that it gets unless it has one.
    #[must_use]
    pub fn with_default(mut self, key: &str, value: impl Into<toml::Value>) -> Section {
        self.table.entry(key).or_insert(value.into());
        self
    }

    /// The checked plugin of this section, named `place` in messages (`streams.spool`).
    pub fn check<T: ?Sized>(&self, place: &str, slices: &[&[Plugin<T>]]) -> Result<Box<dyn Ready<T>>, ConfigError> {
        // `streams.spool` is known as `spool`; the one store by its kind.
        let name = place.rsplit_once('.').map_or(self.kind.as_str(), |(_, name)| name).to_owned();
        registry::find(slices, &self.kind)
            .and_then(|plugin| (plugin.check)(Settings { name, table: self.table.clone() }))
            .map_err(|error| ConfigError { place: place.to_owned(), message: error.to_string(), hint: None })
    }
}
