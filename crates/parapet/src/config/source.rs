//! The `[sources.NAME]` tables: a plugin, and how its records are understood.

use super::section::Section;
use parapet_pipeline::sources::Format;
use serde::Deserialize;

/// `kind = "…"`, `site` and `format`, and whatever that kind of plugin wants beside them.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Source {
    /// Site that the events belong to; the source's name if there is none.
    pub site: Option<String>,
    /// Form of the records.
    pub format: Format,
    /// The plugin.
    pub plugin: Section,
}

impl TryFrom<toml::Table> for Source {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let wrong = |key: &str, error: toml::de::Error| format!("`{key}`: {}", error.message());
        let site = table.remove("site").map(toml::Value::try_into).transpose().map_err(|error| wrong("site", error))?;
        let format = table.remove("format").map(toml::Value::try_into).transpose();
        let format = format.map_err(|error| wrong("format", error))?.unwrap_or_default();
        Ok(Source { site, format, plugin: Section::try_from(table)? })
    }
}
