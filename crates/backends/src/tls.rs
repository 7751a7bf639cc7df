//! TLS settings that plugins share.

use parapet_ports::{ErrorKind, PortError};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The `tls` table; its presence turns TLS on. Files are PEM.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// Authorities to trust instead of the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate to show to the server, with its chain.
    pub(crate) certificate_file: Option<PathBuf>,
    /// Private key of that certificate.
    pub(crate) key_file: Option<PathBuf>,
}

impl Tls {
    /// Certificate and key go together.
    pub(crate) fn validate(&self, name: &str) -> Result<(), PortError> {
        if self.certificate_file.is_some() == self.key_file.is_some() {
            return Ok(());
        }
        let message = format!("{name}: tls: certificate_file and key_file need each other; set both or none");
        Err(PortError::new(ErrorKind::Config, message))
    }
}

/// The contents of a PEM file.
///
/// # Errors
/// `Config`, naming the file.
pub(crate) fn read(name: &str, path: &Path) -> Result<Vec<u8>, PortError> {
    std::fs::read(path).map_err(|error| {
        let message = format!("{name}: tls: {} cannot be read", path.display());
        PortError::new(ErrorKind::Config, message).with_source(error)
    })
}
