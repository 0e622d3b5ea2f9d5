//! Which certificate a client is shown, and its renewal: nothing has to be started again for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::authority::{Authority, DAYS};
use super::given::{self, Files, Pair};
use super::{BadCertificate, bad};
use crate::domain::world::Clock;

/// A certificate of our own is issued again when less than this is left of it.
const AHEAD: Duration = Duration::from_hours(24 * DAYS / 3);

/// What clients are shown.
#[derive(Debug)]
pub struct Shown {
    source: Source,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Source {
    /// Issued by the private CA when somebody asks.
    Own { authority: Arc<Authority>, names: Vec<String>, issued: Mutex<HashMap<String, Ready>> },
    /// The files, as they were last readable.
    Given { files: Files, pair: RwLock<Arc<Pair>> },
}

#[derive(Clone, Debug)]
struct Ready {
    key: Arc<CertifiedKey>,
    ends: Timestamp,
}

impl Shown {
    /// Issued by `authority`, one a name; who names none gets one of all names. Fails if the CA may not vouch for one.
    pub fn own(authority: Arc<Authority>, names: &[String], clock: Arc<dyn Clock>) -> Result<Self, BadCertificate> {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        if let Some(name) = names.iter().find(|name| !authority.covers(name)) {
            return Err(bad(format!("the private CA may not vouch for {name}")));
        }
        let shown = Self { source: Source::Own { authority, names, issued: Mutex::default() }, clock };
        // What would fail later fails now.
        shown.find(None)?;
        Ok(shown)
    }

    /// From files.
    pub fn given(files: Files, clock: Arc<dyn Clock>) -> Result<Self, BadCertificate> {
        let pair = RwLock::new(Arc::new(given::read(&files)?));
        Ok(Self { source: Source::Given { files, pair }, clock })
    }

    pub(super) fn find(&self, name: Option<&str>) -> Result<Arc<CertifiedKey>, BadCertificate> {
        match &self.source {
            Source::Given { pair, .. } => Ok(Arc::clone(&pair.read().unwrap_or_else(PoisonError::into_inner).key)),
            Source::Own { authority, names, issued } => {
                let name = name.map(str::to_ascii_lowercase);
                let wanted = match &name {
                    Some(name) if names.contains(name) => std::slice::from_ref(name),
                    Some(_) => return Err(bad("no connection has this host")),
                    None => names.as_slice(),
                };
                let now = self.clock.now();
                let mut issued = issued.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = issued.get(name.as_deref().unwrap_or_default());
                if let Some(ready) = kept.filter(|ready| now + AHEAD < ready.ends) {
                    return Ok(Arc::clone(&ready.key));
                }
                let made = authority.issue(wanted, now)?;
                let provider = rustls::crypto::ring::default_provider();
                let key = CertifiedKey::from_der(vec![made.der], made.key_der, &provider).map_err(bad)?;
                let ready = Ready { key: Arc::new(key), ends: made.ends };
                issued.insert(name.unwrap_or_default(), ready.clone());
                Ok(ready.key)
            }
        }
    }

    /// Reads given files again. Whether they have changed and are used now; an error leaves the former ones in use.
    pub fn look_again(&self) -> Result<bool, BadCertificate> {
        let Source::Given { files, pair } = &self.source else { return Ok(false) };
        let new = given::read(files)?;
        let mut pair = pair.write().unwrap_or_else(PoisonError::into_inner);
        let changed = new.hash != pair.hash;
        if changed {
            *pair = Arc::new(new);
        }
        Ok(changed)
    }

    /// When what is shown ends for good unless a person does something: the files' certificate, or the CA's.
    pub fn ends(&self) -> Timestamp {
        match &self.source {
            Source::Own { authority, .. } => authority.facts().ends,
            Source::Given { pair, .. } => pair.read().unwrap_or_else(PoisonError::into_inner).facts.ends,
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.find(hello.server_name()) {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::debug!(%error, "gateway: no certificate for a client");
                None
            }
        }
    }
}

/// How the gateway speaks TLS: 1.2 and 1.3, HTTP/1.1 and nothing else.
pub fn server(shown: Arc<Shown>) -> Result<Arc<ServerConfig>, BadCertificate> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(bad)?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
