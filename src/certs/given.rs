//! A certificate and a key from files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{BadCertificate, Facts, bad};

/// Where they lie.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate and what leads to its root, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// What was read.
#[derive(Debug)]
pub struct Pair {
    /// To be used.
    pub key: Arc<CertifiedKey>,
    /// Of the first certificate.
    pub facts: Facts,
    /// Both files, to see a change.
    pub(super) hash: blake3::Hash,
}

/// Reads both; the error names the file that is to blame.
pub fn read(files: &Files) -> Result<Pair, BadCertificate> {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let chain_pem = fs::read(&files.certificate).map_err(|error| bad(format!("{certificate}: {error}")))?;
    let key_pem = fs::read(&files.key).map_err(|error| bad(format!("{key}: {error}")))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain_pem)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(format!("{certificate}: is not PEM: {error}")))?;
    let Some(first) = chain.first() else {
        return Err(bad(format!("{certificate}: there is no certificate in it")));
    };
    let facts = Facts::of(first).map_err(|error| bad(format!("{certificate}: {error}")))?;
    let secret = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| bad(format!("{key}: there is no private key in it (PKCS #8, PKCS #1 or SEC 1, PEM)")))?;
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(chain, secret, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => bad(format!("{key}: is not the key of {certificate}")),
        error => bad(format!("{key}: {error}")),
    })?;
    let hash = blake3::Hasher::new().update(&chain_pem).update(b"\0").update(&key_pem).finalize();
    Ok(Pair { key: Arc::new(pair), facts, hash })
}
