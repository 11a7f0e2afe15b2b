//! TLS around SMPP, by rustls with ring.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why TLS cannot be set up. It names what to look at and no content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as certificates or a key.
    #[error("`{path}` cannot be read as PEM: {why}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No certificate to trust was found.
    #[error("no certificate to trust was found in {0}")]
    NoRoots(String),
    /// The certificate and the key do not go together, or are of a kind that rustls does not take.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

/// Dials with TLS, trusting the certificates in `ca_file`, or without it those of the system.
///
/// # Errors
/// When there are none.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            // Some of the system's may be odd; one that is good is enough.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots(ca_file.map_or_else(
            || "the system".to_owned(),
            |path| path.display().to_string(),
        )));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Accepts TLS with the certificate chain and the key in these PEM files.
///
/// # Errors
/// When they cannot be read or do not go together.
pub fn acceptor(certificate_file: &Path, key_file: &Path) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates(certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|why| pem_error(key_file, &why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|why| pem_error(path, &why))?;
    read.collect::<Result<_, _>>()
        .map_err(|why| pem_error(path, &why))
}

fn pem_error(path: &Path, why: &rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}
