//! The configuration: built-in defaults, then the file, then the environment, then everything checked as a whole.
//!
//! | file | idea |
//! | --- | --- |
//! | `check` | what is wrong with it, all of it at once |

mod check;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Every setting with its default, as `config.default.toml` explains them.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");
/// Read from the working directory when no file is named.
pub const USUAL_FILE: &str = "crm-undo.toml";

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the archive lies.
    pub data_dir: PathBuf,
    /// The proxy's listener.
    pub gateway: Gateway,
    /// The console's listener.
    pub console: Console,
    /// The archive.
    pub archive: Archive,
    /// Where the head of the audit chain goes.
    pub audit: Audit,
    /// Where backups go.
    pub backup: Backup,
    /// What may pass.
    pub policy: Policy,
    /// The accounts.
    #[serde(default)]
    pub connections: Vec<Connection>,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // each key is explained in config.default.toml, once
pub struct Gateway {
    pub listen: SocketAddr,
    pub threads: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub client_requests_per_second: u32,
    pub tls: Tls,
    pub tls_certificate_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub tls_names: Vec<String>,
    pub forward_proxy: String,
    pub forward_proxy_users_file: PathBuf,
    pub tunnel_other_hosts: bool,
    pub tunnel_ports: Vec<u16>,
    pub tunnel_private_addresses: bool,
    pub header_seconds: u64,
    pub keep_alive_seconds: u64,
    pub body_idle_seconds: u64,
    pub body_bytes_per_second: u64,
    pub write_idle_seconds: u64,
    pub answer_idle_seconds: u64,
    pub delete_answer_seconds: u64,
}

impl Gateway {
    /// Where the forward proxy listens, if there is one.
    pub fn proxy(&self) -> Option<SocketAddr> {
        self.forward_proxy.parse().ok()
    }
}

/// Where the gateway's certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// The gateway speaks plain HTTP.
    Off,
    /// From crm-undo's own private CA.
    OwnCa,
    /// From files.
    Files,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Console {
    pub listen: SocketAddr,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Archive {
    pub key_file: String,
    pub min_free_bytes: u64,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Audit {
    pub anchor_file: String,
    pub anchor_url: String,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Backup {
    pub to: String,
}

/// See `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Policy {
    pub approval_over: u64,
    pub blast_radius_records: u64,
    pub blast_radius_share: f64,
    pub retention_days: u16,
    #[serde(default)]
    pub retention: BTreeMap<String, u16>,
    pub attached_files_up_to: usize,
    pub settle_grace_seconds: u64,
    pub index_delay_seconds: u64,
    pub allow_unrestorable: Vec<String>,
}

/// One account of a CRM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its name, for people and in entries.
    pub name: String,
    /// `amocrm`.
    pub vendor: String,
    /// Scheme and host of the CRM.
    pub upstream: String,
    /// Host values that choose it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The variable that holds its token.
    pub token_env: Option<String>,
    /// The file that holds its token.
    pub token_file: Option<PathBuf>,
    /// Its token.
    pub token: Option<SecretString>,
    /// Instead of `policy.attached_files_up_to`.
    pub attached_files_up_to: Option<usize>,
    /// A client of its own at the CRM, instead of a token.
    pub oauth: Option<OAuth>,
    /// Requests the CRM allows it in any second; 0: no limit.
    #[serde(default = "seven")]
    pub requests_per_second: u32,
}

/// A client of a connection's own at the CRM. `crm-undo connect` lets it in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// Its id.
    pub client_id: String,
    /// The variable that holds its secret.
    pub client_secret_env: Option<String>,
    /// The file that holds its secret.
    pub client_secret_file: Option<PathBuf>,
    /// Its secret.
    pub client_secret: Option<SecretString>,
    /// As the CRM knows it, to the letter.
    pub redirect_uri: String,
}

impl OAuth {
    /// Its secret, from wherever it lies. The text of an error never holds it.
    pub fn secret(&self) -> Result<SecretString, String> {
        let places = (&self.client_secret_env, &self.client_secret_file, &self.client_secret);
        let secret = one_of(places, "client_secret")?;
        secret.ok_or_else(|| "oauth: give client_secret_env, client_secret_file or client_secret".to_owned())
    }
}

fn seven() -> u32 {
    7
}

impl Connection {
    /// Its own token, from wherever it lies. The text of an error says what to do; it never holds the token.
    pub fn token(&self) -> Result<Option<SecretString>, String> {
        one_of((&self.token_env, &self.token_file, &self.token), "token")
    }
}

/// A secret from the one place where it lies: a variable, a file, the configuration itself.
fn one_of(
    (variable, file, text): (&Option<String>, &Option<PathBuf>, &Option<SecretString>),
    name: &str,
) -> Result<Option<SecretString>, String> {
    let given = [variable.is_some(), file.is_some(), text.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(format!("give only one of {name}_env, {name}_file and {name}"));
    }
    let secret = if let Some(variable) = variable {
        std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))?
    } else if let Some(file) = file {
        std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?
    } else if let Some(text) = text {
        text.expose_secret().to_owned()
    } else {
        return Ok(None);
    };
    let secret = secret.trim();
    is_token(secret)?;
    Ok(Some(SecretString::from(secret)))
}

/// Whether a text can be sent as a token; else why not, without the text.
pub fn is_token(text: &str) -> Result<(), String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token is visible ASCII characters without spaces".to_owned());
    }
    Ok(())
}

/// The configuration cannot be used. One line a reason.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadConfig(pub Vec<String>);

/// Reads and checks everything. `file`: as named by a person; without one, `crm-undo.toml` here if there is one.
pub fn load(file: Option<&Path>) -> Result<Config, BadConfig> {
    let config = read(file)?;
    match check::check(&config) {
        problems if problems.is_empty() => Ok(config),
        problems => {
            let place = place(found(file));
            Err(BadConfig(problems.into_iter().map(|problem| format!("{place}: {problem}")).collect()))
        }
    }
}

fn found(file: Option<&Path>) -> Option<&Path> {
    let usual = Path::new(USUAL_FILE);
    file.or_else(|| usual.exists().then_some(usual))
}

fn place(file: Option<&Path>) -> String {
    file.map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string())
}

/// Reads everything and checks only that each key is one and has a value of its kind.
pub fn read(file: Option<&Path>) -> Result<Config, BadConfig> {
    let file = found(file);
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    if let Some(file) = file {
        // figment passes over a file that is not there; a person who named one wants to know.
        let text = std::fs::read_to_string(file).map_err(|error| {
            BadConfig(vec![format!("{}: cannot be read: {error}; name another file with --config", file.display())])
        })?;
        figment = figment.merge(Toml::string(&text));
    }
    let place = place(file);
    // Single underscores belong to the CLI and the secrets (CRM_UNDO_TOKEN, CRM_UNDO_CONSOLE).
    figment
        .merge(Env::prefixed("CRM_UNDO__").split("__"))
        .extract()
        .map_err(|errors| BadConfig(errors.into_iter().map(|error| worded(&place, &error)).collect()))
}

/// figment's reason, with the key's path and without a secret: values of tokens are never shown.
fn worded(place: &str, error: &figment::Error) -> String {
    let path = error.path.join(".");
    let reason = if path.contains("token") || path.contains("secret") {
        "is not a text".to_owned()
    } else {
        error.kind.to_string()
    };
    if path.is_empty() {
        format!("{place}: {reason}; config.default.toml explains every key")
    } else {
        format!("{place}: {path}: {reason}; config.default.toml explains every key")
    }
}

#[cfg(test)]
mod tests;
