//! Making backups while the archive is in use; trying, restoring and repairing while it is not.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;

use super::world::SystemClock;
use super::{Failure, archive_options};
use crate::archive::backup::{self, Place, Restored};
use crate::archive::durable::{Durable, Options};
use crate::archive::{ArchiveError, CheckReport};
use crate::config::{self, Config};
use crate::console::BackUp;
use crate::domain::world::Clock as _;

/// Makes a backup whenever it is called; `None`: the configuration names no place. One at a time.
pub(super) fn maker(config: &Config, store: &Arc<Durable>) -> Result<Option<BackUp>, Failure> {
    let to = &config.backup.to;
    if to.is_empty() {
        return Ok(None);
    }
    let place = backup::place(to.as_ref()).map_err(Failure::usage)?;
    let (dir, store) = (config.data_dir.clone(), Arc::clone(store));
    let one = Arc::new(tokio::sync::Mutex::new(()));
    Ok(Some(Arc::new(move || {
        let (place, dir, store, one) = (Arc::clone(&place), dir.clone(), Arc::clone(&store), Arc::clone(&one));
        async move {
            let alone = one.lock_owned().await;
            let work = move || {
                let _alone = alone;
                backup::create(&store, &dir, &*place, SystemClock.now())
            };
            let made = tokio::task::spawn_blocking(work).await;
            made.unwrap_or_else(|_| Err(ArchiveError::Unusable("the backup ended unexpectedly".to_owned())))
        }
        .boxed()
    })))
}

/// Where backups are, and the archive they are of.
fn place(file: Option<&Path>, from: Option<&Path>) -> Result<(Options, Arc<dyn Place>), Failure> {
    let config = config::read(file).map_err(Failure::usage)?;
    let from = from.unwrap_or(Path::new(&config.backup.to));
    if from.as_os_str().is_empty() {
        return Err(Failure::usage("no place of backups").hint("give --from, or set backup.to in the configuration"));
    }
    Ok((archive_options(&config), backup::place(from).map_err(Failure::usage)?))
}

/// Restores a backup aside, opens all of it with the key, and removes it again.
pub async fn verify(
    file: Option<&Path>,
    from: Option<&Path>,
    manifest: Option<&str>,
    scratch: &Path,
) -> Result<(Restored, CheckReport), Failure> {
    let (options, from) = place(file, from)?;
    backup::drill(&*from, manifest, &options, scratch.to_owned()).await.map_err(Failure::new)
}

/// Brings an archive back into an empty directory.
pub fn restore(
    file: Option<&Path>,
    from: Option<&Path>,
    manifest: Option<&str>,
    accept_lost_erasures: bool,
) -> Result<Restored, Failure> {
    let (options, from) = place(file, from)?;
    std::fs::create_dir_all(&options.dir)
        .map_err(|error| Failure::new(format!("{} cannot be made: {error}", options.dir.display())))?;
    backup::restore(&*from, manifest, &options, accept_lost_erasures).map_err(Failure::new)
}

/// Rebuilds what can be rebuilt. Names of the segments that were replaced.
pub fn repair(file: Option<&Path>, from: Option<&Path>) -> Result<Vec<String>, Failure> {
    let config = config::read(file).map_err(Failure::usage)?;
    let from = from.map(backup::place).transpose().map_err(Failure::usage)?;
    backup::repair(from.as_deref(), &archive_options(&config)).map_err(Failure::new)
}
