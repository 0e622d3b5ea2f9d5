//! How the gateway's listeners are set up: certificates, the forward proxy, and keeping certificates fresh.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::world::SystemClock;
use super::{Failure, archive_options};
use crate::certs::given::Files;
use crate::certs::{self, Authority, Shown, vault};
use crate::config::{Config, Tls};
use crate::gateway::{Credentials, Forward, Tunnels};

/// How often given files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// From so many days before a certificate ends somebody is told.
pub(super) const SOON: i64 = 21;

/// What the listeners need.
pub(super) struct Doors {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) forward: Option<Forward>,
    shown: Vec<Arc<Shown>>,
}

/// The names that the private CA has to vouch for: hosts of connections, of their upstreams, and of the gateway.
pub(super) fn names(config: &Config) -> Vec<String> {
    let mut names = Vec::new();
    for connection in &config.connections {
        names.extend(connection.hosts.iter().map(|host| without_port(host)));
        let upstream = connection.upstream.parse::<http::Uri>();
        names.extend(upstream.ok().and_then(|uri| uri.host().map(without_port)));
    }
    names.extend(config.gateway.tls_names.iter().map(|name| name.to_ascii_lowercase()));
    let at = config.gateway.listen.ip();
    if !at.is_unspecified() {
        names.push(at.to_string());
    }
    names.sort();
    names.dedup();
    names
}

/// In lower case, an address of version 6 without brackets.
fn without_port(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.to_owned(),
        None => host.split(':').next().unwrap_or_default().to_owned(),
    }
}

/// The private CA, if it can vouch for all of the configuration.
pub(super) fn authority(config: &Config) -> Result<Arc<Authority>, Failure> {
    let authority = vault::open(&archive_options(config))
        .map_err(|error| Failure::usage(error).hint("`crm-undo ca init` makes it; it lies in data_dir"))?;
    if let Some(name) = names(config).iter().find(|name| !authority.covers(name)) {
        return Err(Failure::usage(format!("the private CA may not vouch for {name}"))
            .hint("`crm-undo ca init --replace` makes another one; clients then have to trust that one"));
    }
    Ok(Arc::new(authority))
}

/// Reads and opens everything; a file that cannot be used stops the start.
pub(super) fn doors(config: &Config) -> Result<Doors, Failure> {
    let gateway = &config.gateway;
    let clock = || Arc::new(SystemClock);
    let proxied = gateway.proxy().is_some();
    let own = if proxied || gateway.tls == Tls::OwnCa {
        let shown = Shown::own(authority(config)?, &names(config), clock()).map_err(Failure::usage)?;
        Some(Arc::new(shown))
    } else {
        None
    };
    let given = if gateway.tls == Tls::Files {
        let files = Files { certificate: gateway.tls_certificate_file.clone(), key: gateway.tls_key_file.clone() };
        let shown = Shown::given(files, clock()).map_err(|error| {
            Failure::usage(format!("gateway.tls: {error}")).hint("tls_certificate_file and tls_key_file name PEM files")
        })?;
        Some(Arc::new(shown))
    } else {
        None
    };
    let server = |shown: &Arc<Shown>| certs::server(Arc::clone(shown)).map_err(Failure::new);
    let tls = match gateway.tls {
        Tls::Off => None,
        Tls::OwnCa | Tls::Files => given.as_ref().or(own.as_ref()).map(server).transpose()?,
    };
    let forward = match own.as_ref().filter(|_| proxied) {
        None => None,
        Some(shown) => Some(Forward {
            tls: server(shown)?,
            credentials: credentials(config)?,
            tunnels: gateway.tunnel_other_hosts.then(|| Tunnels {
                ports: gateway.tunnel_ports.clone(),
                private_addresses: gateway.tunnel_private_addresses,
                ..Tunnels::default()
            }),
        }),
    };
    Ok(Doors { tls, forward, shown: own.into_iter().chain(given).collect() })
}

fn credentials(config: &Config) -> Result<Option<Credentials>, Failure> {
    let file = &config.gateway.forward_proxy_users_file;
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| Failure::usage(format!("gateway.forward_proxy_users_file: {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Credentials::read(&text).map(Some).map_err(wrong)
}

impl Doors {
    /// Takes given files again when they change, and says when a certificate is about to end.
    pub(super) fn keep_fresh(&self, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let shown = self.shown.clone();
        async move {
            let mut warned = None;
            loop {
                let now = Timestamp::now();
                for shown in &shown {
                    let left = (shown.ends().as_second() - now.as_second()).div_euclid(24 * 3600);
                    if left < SOON && warned != Some(left) {
                        warned = Some(left);
                        tracing::warn!(days = left, "a certificate of the gateway is about to end");
                    }
                }
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                for shown in &shown {
                    look_again(Arc::clone(shown)).await;
                }
            }
        }
    }
}

async fn look_again(shown: Arc<Shown>) {
    match tokio::task::spawn_blocking(move || shown.look_again()).await {
        Ok(Ok(true)) => tracing::info!("the gateway's certificate was read again"),
        Ok(Ok(false)) | Err(_) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the gateway's certificate cannot be read; the former one stays in use");
        }
    }
}
