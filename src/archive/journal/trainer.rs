//! Once, on a thread of its own: train the dictionary, write it, use it.

use std::sync::{Arc, Weak};

use super::dictionary;
use super::pack::Packed;
use super::shared::Shared;
use crate::archive::ArchiveError;

/// Says nothing when it fails: frames are then packed without a dictionary.
pub fn run(shared: &Weak<Shared>, samples: &[Vec<u8>], size: usize) {
    match dictionary::train(samples, size) {
        Ok(dictionary) => {
            if let Some(shared) = shared.upgrade()
                && let Err(error) = write(&shared, dictionary)
            {
                tracing::warn!(%error, "the dictionary of the archive was not written");
            }
        }
        Err(error) => tracing::info!(%error, "no dictionary: the snapshots are too few or too much alike"),
    }
}

fn write(shared: &Shared, dictionary: dictionary::Dictionary) -> Result<(), ArchiveError> {
    let unit = shared.packer.pack_dictionary(&dictionary)?;
    let wanted: Vec<_> = unit.iter().map(Packed::wanted).collect();
    let written = shared.push(unit)?.blocking_recv().map_err(|_| shared.gone())??;
    shared.read_back(&written, &wanted)?;
    shared.packer.activate(&Arc::new(dictionary));
    Ok(())
}
