//! TLS of both sides: tokio-rustls with aws-lc-rs. Certificates come from PEM files, named in the configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use icaze_config::gateway::Identity;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// TLS that cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{}: {source}; name a PEM file that the gateway's user may read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file has no certificate.
    #[error("{}: has no certificate; name a PEM file with BEGIN CERTIFICATE", .0.display())]
    Empty(PathBuf),
    /// A certificate will not do, or the key is another one's.
    #[error("{}: {source}; check the certificate, its key and their order", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Clients' certificates could not be checked.
    #[error("{}: {source}; name the authorities that clients' certificates come from", path.display())]
    Clients {
        /// Which.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// The listening side. A handshake uses the certificate that is current when it begins.
pub struct Acceptor(RwLock<Arc<ServerConfig>>);

impl Acceptor {
    /// Shows `identity`; asks clients for a certificate of one of `client_ca`'s authorities, if there are any.
    ///
    /// # Errors
    /// [`TlsError`] with the file that is at fault.
    pub fn new(identity: &Identity, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(server_config(identity, client_ca)?))))
    }

    /// Reads the files again. If one is at fault, what was read before stays.
    ///
    /// # Errors
    /// [`TlsError`] with the file that is at fault.
    pub fn reload(&self, identity: &Identity, client_ca: Option<&Path>) -> Result<(), TlsError> {
        let config = Arc::new(server_config(identity, client_ca)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Shakes hands with a client that has connected.
    ///
    /// # Errors
    /// If it speaks no TLS, has no certificate that it needs, or takes longer than `within`.
    pub async fn accept<S>(&self, stream: S, within: Duration) -> io::Result<server::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        timeout(within, TlsAcceptor::from(config).accept(stream)).await?
    }
}

/// Shakes hands with the server at `host`, whose certificate must be in that name and of one of `ca`'s authorities. The files
/// are read each time, so that a new certificate needs no restart.
///
/// # Errors
/// If a file is at fault, or the server does not prove who it is, or takes longer than `within`.
pub async fn connect<S>(
    stream: S,
    host: &str,
    ca: &Path,
    identity: Option<&Identity>,
    within: Duration,
) -> io::Result<client::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = client_config(ca, identity).map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    timeout(within, TlsConnector::from(Arc::new(config)).connect(name, stream)).await?
}

/// What [`connect`] would use.
///
/// # Errors
/// [`TlsError`] with the file that is at fault.
pub fn client_config(ca: &Path, identity: Option<&Identity>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Certificate { path: ca.to_owned(), source })?
        .with_root_certificates(authorities(ca)?);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = read(identity)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| TlsError::Certificate { path: identity.certificate.clone(), source })
}

fn server_config(identity: &Identity, client_ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let unfit = |source| TlsError::Certificate { path: identity.certificate.clone(), source };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = Arc::new(authorities(ca)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|source| TlsError::Clients { path: ca.to_owned(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = read(identity)?;
    builder.with_single_cert(chain, key).map_err(unfit)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let key = PrivateKeyDer::from_pem_file(&identity.key)
        .map_err(|source| TlsError::File { path: identity.key.clone(), source })?;
    Ok((certificates(&identity.certificate)?, key))
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::Empty(path.to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(TlsError::File { path: path.to_owned(), source }),
    }
}
