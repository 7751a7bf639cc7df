//! Certificates of the receivers.
//!
//! ```toml
//! [sources.NAME.tls]
//! certificate = "/etc/parapet/tls/server.pem"
//! key = "/etc/parapet/tls/server.key"
//! client_ca = "/etc/parapet/tls/clients.pem"   # only clients with a certificate of this authority
//! ```

use parapet_ports::{ErrorKind, PortError};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Files in PEM form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The server's certificate, followed by those of its issuers.
    certificate: PathBuf,
    /// Its private key.
    key: PathBuf,
    /// Authorities whose certificates clients must have; without them any client may connect.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Reads the files.
///
/// # Errors
/// `Config`, naming the file that cannot be used.
pub(crate) fn acceptor(name: &str, tls: &Tls) -> Result<TlsAcceptor, PortError> {
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
    Ok(TlsAcceptor::from(Arc::new(config.map_err(|error| unusable(&tls.certificate, &error))?)))
}
