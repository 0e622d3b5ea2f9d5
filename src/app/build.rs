//! A configuration becomes an engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Failure;
use super::world::{RandomNames, SystemClock};
use crate::archive::Store;
use crate::archive::durable;
use crate::config::{Config, Connection as Configured};
use crate::crm::upstream::{Upstream, UpstreamConfig};
use crate::crm::vendors;
use crate::domain::policy::Policy;
use crate::engine::{Connection, Engine};

/// The variable that holds the archive's key, where it is not in a file.
const KEY_VARIABLE: &str = "CRM_UNDO_ARCHIVE_KEY";

/// How the archive of this configuration is opened.
pub fn archive_options(config: &Config) -> durable::Options {
    let key_file = &config.archive.key_file;
    durable::Options {
        dir: config.data_dir.clone(),
        key_file: (!key_file.is_empty()).then(|| PathBuf::from(key_file)),
        key: std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty()).map(SecretString::from),
        min_free_bytes: config.archive.min_free_bytes,
        clock: Arc::new(SystemClock),
    }
}

/// The engine of this configuration over an open store.
pub fn engine_over(config: &Config, store: Arc<dyn Store>) -> Result<Engine, Failure> {
    let connections =
        config.connections.iter().map(|configured| granted(config, configured)).collect::<Result<Vec<_>, _>>()?;
    Ok(Engine::new(store, connections, policy(config), Arc::new(SystemClock), Arc::new(RandomNames)))
}

fn policy(config: &Config) -> Policy {
    Policy {
        allow_unrestorable: config.policy.allow_unrestorable.clone(),
        retention_days: config.policy.retention_days,
        retention: config.policy.retention.clone(),
        settle_grace: Duration::from_secs(config.policy.settle_grace_seconds),
    }
}

/// A connection whose access is kept alive, if it has a client of its own. The archive's key has to be there.
fn granted(config: &Config, configured: &Configured) -> Result<Connection, Failure> {
    let mut built = connection(config, configured)?;
    let wrong = |why: String| Failure::usage(format!("connection {:?}: {why}", configured.name));
    let upstream = super::grants::attach(config, configured, built.upstream.as_ref().clone()).map_err(wrong)?;
    built.upstream = Arc::new(upstream);
    Ok(built)
}

/// A connection with the token that the configuration names.
pub(super) fn connection(config: &Config, configured: &Configured) -> Result<Connection, Failure> {
    let wrong = |why: String| Failure::usage(format!("connection {:?}: {why}", configured.name));
    let connector = vendors()
        .into_iter()
        .find(|vendor| vendor.vendor() == configured.vendor)
        .ok_or_else(|| wrong(format!("vendor {:?} is not known", configured.vendor)))?;
    let base = configured.upstream.parse().map_err(|_| wrong("upstream is not an address".to_owned()))?;
    let token = super::seal::token(config, configured).map_err(wrong)?;
    if let Some(oauth) = &configured.oauth {
        super::grants::secret(config, oauth).map_err(wrong)?;
    }
    let has_own_token = token.is_some() || configured.oauth.is_some();
    let upstream = UpstreamConfig {
        token,
        requests_per_second: configured.requests_per_second,
        live_reserve: configured.requests_per_second.min(2),
        index_delay: Some(Duration::from_secs(config.policy.index_delay_seconds)),
        files_up_to: configured.attached_files_up_to.unwrap_or(config.policy.attached_files_up_to),
        seed: rand::random(),
        ..UpstreamConfig::new(base)
    };
    let upstream = Upstream::new(upstream).map_err(|error| wrong(error.to_string()))?;
    Ok(Connection { name: configured.name.clone(), connector, upstream: Arc::new(upstream), has_own_token })
}
