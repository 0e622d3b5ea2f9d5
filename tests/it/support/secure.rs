//! Clients that trust the private CA, and TLS on bare sockets.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw::{Message, read_from};

fn ca(dir: &Path, verb: &str) -> String {
    let arguments = ["ca", verb, "--config", "crm-undo.toml"];
    let output = Command::new(env!("CARGO_BIN_EXE_crm-undo")).args(arguments).current_dir(dir).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// `crm-undo ca init` for the configuration in `dir`.
pub fn make_ca(dir: &Path) {
    ca(dir, "init");
}

/// The private CA's certificate.
pub fn ca_of(dir: &Path) -> String {
    ca(dir, "show")
}

/// A client that trusts one CA and offers these protocols.
pub fn trusting(ca: &str, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// A client's end of TLS, which writes what it likes.
pub struct Secure {
    pub stream: TlsStream<TcpStream>,
    kept: Vec<u8>,
}

impl Secure {
    /// Shakes hands for a name over a connection that is there already.
    pub async fn over(stream: TcpStream, name: &str, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self { stream, kept: Vec::new() })
    }

    /// Connects and shakes hands.
    pub async fn to(address: &str, name: &str, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, name, config).await
    }

    /// Sends bytes; the next answer, if one comes.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> Option<Message> {
        self.stream.write_all(bytes.as_ref()).await.ok()?;
        self.stream.flush().await.ok()?;
        read_from(&mut self.stream, &mut self.kept).await
    }
}
