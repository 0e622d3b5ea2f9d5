//! The tokens of connections with a client of their own: sealed with the archive's key, one small file each, in
//! `access/` of the data directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::archive_options;
use super::seal::opened;
use super::world::SystemClock;
use crate::archive::pocket::Pocket;
use crate::config::{Config, Connection, OAuth};
use crate::crm::grant::{Client, Keeper, Kept, Vault};
use crate::crm::token_route;
use crate::crm::upstream::Upstream;

/// What is sealed: tokens, and whose they are.
#[derive(Serialize, Deserialize)]
struct Sheet {
    version: u32,
    connection: String,
    client_id: String,
    kept: Kept,
}

/// One connection's file.
struct Safe {
    file: PathBuf,
    pocket: Pocket,
    connection: String,
    client_id: String,
}

impl std::fmt::Debug for Safe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Safe").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The client's secret, opened if it is sealed. The text of an error never holds it.
pub(super) fn secret(config: &Config, oauth: &OAuth) -> Result<SecretString, String> {
    opened(config, oauth.secret()?)
}

/// The same door, with the keeper of its access where the connection has a client of its own.
pub(super) fn attach(config: &Config, configured: &Connection, upstream: Upstream) -> Result<Upstream, String> {
    let Some(oauth) = &configured.oauth else { return Ok(upstream) };
    let route = token_route(&configured.vendor).ok_or("oauth: this vendor's tokens are not known")?;
    let client = Client {
        upstream: upstream.clone(),
        route,
        id: oauth.client_id.clone(),
        secret: secret(config, oauth)?,
        redirect_uri: oauth.redirect_uri.clone(),
    };
    let safe = Safe::of(config, configured, oauth)?;
    let kept = safe.read();
    let keeper =
        Keeper::new(&configured.name, kept, Arc::new(Shared(Arc::new(safe))), Arc::new(client), Arc::new(SystemClock));
    Ok(upstream.with_grant(keeper))
}

/// What lies there, for whoever only looks.
pub(super) fn look(config: &Config, configured: &Connection, oauth: &OAuth) -> Result<Kept, String> {
    if !place(&config.data_dir, &configured.name).exists() {
        return Ok(Kept::default());
    }
    Ok(Safe::of(config, configured, oauth)?.read())
}

fn place(data_dir: &Path, connection: &str) -> PathBuf {
    data_dir.join("access").join(format!("{connection}.sealed"))
}

impl Safe {
    fn of(config: &Config, configured: &Connection, oauth: &OAuth) -> Result<Self, String> {
        Ok(Self {
            file: place(&config.data_dir, &configured.name),
            pocket: Pocket::open(&archive_options(config)).map_err(|error| error.to_string())?,
            connection: configured.name.clone(),
            client_id: oauth.client_id.clone(),
        })
    }

    /// What cannot be read is as good as lost: the connection says so, and everything else goes on.
    fn read(&self) -> Kept {
        let lost = |why: &str| Kept { refused: Some(why.to_owned()), ..Kept::default() };
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::default(),
            Err(error) => return lost(&format!("its tokens cannot be read: {error}")),
        };
        let plain = match self.pocket.unseal(&text) {
            Ok(plain) => plain,
            Err(error) => return lost(&format!("its tokens cannot be opened: {error}")),
        };
        match serde_json::from_str::<Sheet>(plain.expose_secret()) {
            Ok(sheet) if sheet.version == 1 && sheet.connection == self.connection => {
                if sheet.client_id == self.client_id {
                    sheet.kept
                } else {
                    lost("its tokens were given to another client_id")
                }
            }
            _ => lost("its tokens are those of another connection or version"),
        }
    }

    fn write(&self, kept: &Kept) -> Result<(), String> {
        let sheet = Sheet {
            version: 1,
            connection: self.connection.clone(),
            client_id: self.client_id.clone(),
            kept: kept.clone(),
        };
        let plain = serde_json::to_string(&sheet).map_err(|_| "they are no text".to_owned())?;
        let sealed = self.pocket.seal(&SecretString::from(plain)).map_err(|error| error.to_string())?;
        replace(&self.file, &sealed).map_err(|error| error.to_string())
    }
}

/// A file that is written beside the runtime.
#[derive(Debug)]
struct Shared(Arc<Safe>);

#[async_trait]
impl Vault for Shared {
    async fn save(&self, kept: &Kept) -> Result<(), String> {
        let (safe, kept) = (Arc::clone(&self.0), kept.clone());
        // Not cut off by whoever waits for it.
        tokio::task::spawn_blocking(move || safe.write(&kept)).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Whole or not at all, and durable: a new file beside it, synced, in its place, and the directory synced.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let dir = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if !dir.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if let Some(above) = dir.parent() {
            File::open(above)?.sync_all()?;
        }
    }
    let fresh = file.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    File::open(dir)?.sync_all()
}
