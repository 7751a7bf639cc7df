//! How plugins are known: visible slices, searched by kind.
//!
//! A plugin is one file that holds its configuration struct, its code and its tests, and one line in
//! the registry slice of its room. The configuration is `kind = "…"` plus a table that only the
//! plugin decodes. Checking it is pure; [`Ready::open`] does the I/O.

use crate::PortError;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;

/// One kind of plugin for the seam `T`.
pub struct Plugin<T: ?Sized + 'static> {
    /// Value of `kind` in the configuration.
    pub kind: &'static str,
    /// One line for `parapet plugins` and the documentation.
    pub summary: &'static str,
    /// Checks the configuration without any I/O.
    pub check: fn(Settings) -> Checked<T>,
}

/// Outcome of a plugin's check.
pub type Checked<T> = Result<Box<dyn Ready<T>>, PortError>;

/// The configuration of one plugin as found in the file, `kind` taken out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name given to this use of the plugin.
    pub name: String,
    /// Everything else.
    pub table: toml::Table,
}

impl Settings {
    /// Decodes the table into the plugin's own struct, which should deny unknown fields.
    ///
    /// # Errors
    /// `Config`, naming the plugin and the field.
    pub fn decode<C: DeserializeOwned>(&self) -> Result<C, PortError> {
        self.table.clone().try_into().map_err(|error: toml::de::Error| {
            PortError::new(crate::ErrorKind::Config, format!("{}: {}", self.name, error.message()))
        })
    }
}

/// A checked plugin that can be opened.
#[async_trait]
pub trait Ready<T: ?Sized>: Send + Sync {
    /// Connects, creates files, starts tasks.
    async fn open(&self, place: &Place) -> Result<Arc<T>, PortError>;

    /// Whether other processes with the same configuration reach the same data. What lives in the
    /// data directory of one process is not shared.
    fn is_shared(&self) -> bool {
        true
    }
}

/// Where a plugin may keep things.
#[derive(Debug, Clone)]
pub struct Place {
    /// Data directory of this plugin; may not exist yet.
    pub directory: PathBuf,
}

impl Place {
    /// A place below this one, for one of several uses of the same kind.
    #[must_use]
    pub fn under(&self, name: &str) -> Place {
        Place { directory: self.directory.join(name) }
    }
}

/// Finds a kind in the slices of all rooms.
///
/// # Errors
/// `Config`, listing the known kinds.
pub fn find<'a, T: ?Sized>(slices: &[&'a [Plugin<T>]], kind: &str) -> Result<&'a Plugin<T>, PortError> {
    let all = || slices.iter().flat_map(|slice| slice.iter());
    all().find(|plugin| plugin.kind == kind).ok_or_else(|| {
        let known: Vec<_> = all().map(|plugin| plugin.kind).collect();
        PortError::new(crate::ErrorKind::Config, format!("unknown kind \"{kind}\"; known kinds: {}", known.join(", ")))
    })
}
