//! Certificates of listeners, configured alike wherever something listens.
//!
//! ```toml
//! [sources.NAME.tls]                           # or [console.tls]
//! certificate = "/etc/parapet/tls/server.pem"
//! key = "/etc/parapet/tls/server.key"
//! client_ca = "/etc/parapet/tls/clients.pem"   # only clients with a certificate of this authority
//! ```

use crate::{ErrorKind, PortError};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files in PEM form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The server's certificate, followed by those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities whose certificates clients must have; without them any client may connect.
    pub client_ca: Option<PathBuf>,
}

/// Reads the files. `name` is who listens, for messages.
///
/// # Errors
/// `Config`, naming the file that cannot be used.
pub fn server_config(name: &str, tls: &Tls) -> Result<Arc<ServerConfig>, PortError> {
    let unusable = |file: &Path, error: &dyn std::fmt::Display| {
        PortError::new(ErrorKind::Config, format!("{name}: {} cannot be used: {error}", file.display()))
    };
    let certificates = |file: &Path| -> Result<Vec<CertificateDer<'static>>, PortError> {
        let list = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, &error))?;
        let list: Vec<_> = list.collect::<Result<_, _>>().map_err(|error| unusable(file, &error))?;
        if list.is_empty() { Err(unusable(file, &"it holds no certificate")) } else { Ok(list) }
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&tls.certificate, &error))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| unusable(file, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(file, &error))?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unusable(&tls.key, &error))?;
    let config = builder.with_single_cert(certificates(&tls.certificate)?, key);
    Ok(Arc::new(config.map_err(|error| unusable(&tls.certificate, &error))?))
}
