//! Backups: closed segments once, the open one as far as it is durable, the key ring and the list of erasures as they are
//! now. The archive's key is never among them: who has a backup and no key has nothing.
//!
//! | file | idea |
//! | --- | --- |
//! | `place` | what a place of backups has to be able to do |
//! | `folder` | a folder as the place of backups: whole files or none |
//! | `objects` | a bucket as the place of backups |
//! | `restore` | back into an empty directory; a drill; single damaged segments |
//!
//! The ring and the list are one newest copy that replaces the older: a key that was destroyed is in no backup any more
//! from the next one on, whatever manifest is restored (P10).

mod folder;
mod objects;
mod place;
mod restore;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ArchiveError;
use super::durable::Durable;
pub use folder::Folder;
pub use objects::Objects;
pub use place::Place;
pub use restore::{Restored, drill, repair, restore};

const PIECES: &str = "segments";
const ERASURES: &str = "erasures.json";
const RING: [&str; 2] = ["ring-a.keys", "ring-b.keys"];
const ID: &str = "journal.id";

/// What a backup consists of. Written last: without it there is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format, 1.
    pub v: u32,
    /// When it was made.
    pub at: Timestamp,
    /// Text of `journal.id`.
    pub id: String,
    /// Segments, in their order. The last one was still being written to.
    pub segments: Vec<Piece>,
}

/// One segment, or the durable beginning of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its name in the journal.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of them, hexadecimal.
    pub hash: String,
}

impl Piece {
    /// Its name in the backup: by content, so that one that is there never has to be copied again.
    fn stored(&self) -> String {
        format!("{}-{}", self.name, self.hash)
    }
}

/// Slots of the key ring whose keys were destroyed. It only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Erasures {
    slots: Vec<u32>,
}

/// What making a backup came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Name of its manifest.
    pub manifest: String,
    /// Segments in it.
    pub segments: u64,
    /// Segments that were copied; the others were there.
    pub copied: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Erasures on the list.
    pub erasures: u64,
}

/// The place that an address names: a folder, or `s3://bucket/prefix` with credentials from the environment.
pub fn place(address: &Path) -> Result<Arc<dyn Place>, ArchiveError> {
    match address.to_str().filter(|text| text.contains("://")) {
        Some(text) => {
            let variables = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            Ok(Arc::new(Objects::s3(text, variables)?))
        }
        None => Ok(Arc::new(Folder::new(address))),
    }
}

/// Whether an address can be one of a place; else why not.
pub fn is_place(address: &str) -> Result<(), ArchiveError> {
    if address.contains("://") { objects::parts(address).map(|_| ()) } else { Ok(()) }
}

/// Makes a backup of an archive that may be in use. What an interrupted one has copied is not copied again. Blocks.
pub fn create(store: &Durable, dir: &Path, to: &dyn Place, at: Timestamp) -> Result<Made, ArchiveError> {
    let journal = dir.join("journal");
    let id = read_text(&journal.join(ID))?;
    to.prepare()?;
    if let Some((name, other)) = to.newest()?
        && other.id != id
    {
        return Err(ArchiveError::Invalid(format!(
            "{} holds backups of another archive ({name}); give every archive a place of its own",
            to.shown()
        )));
    }
    let known = to.newest()?.map(|(_, manifest)| manifest.segments).unwrap_or_default();
    let (mut segments, mut copied, mut bytes) = (Vec::new(), 0, 0);
    for (name, used) in store.extent() {
        // What was durable never changes: a segment of the same length is the one that was copied, and is not read again.
        if let Some(piece) = known.iter().find(|piece| piece.name == name && piece.bytes == used)
            && to.has(piece)?
        {
            segments.push(piece.clone());
            continue;
        }
        let piece = folder::piece(&journal.join(&name), &name, used)?;
        if !to.has(&piece)? {
            to.keep(&journal.join(&name), &piece)?;
            copied += 1;
            bytes += piece.bytes;
        }
        segments.push(piece);
    }
    // After the journal: every key that a frame in it needs was made before the frame.
    for name in RING {
        let ring = std::fs::read(dir.join("keys").join(name)).map_err(|error| cannot("read the key ring", &error))?;
        to.put(name, &ring)?;
    }
    let mut erasures: Erasures = to.json(ERASURES)?.unwrap_or_default();
    erasures.slots.extend(store.destroyed_slots());
    erasures.slots.sort_unstable();
    erasures.slots.dedup();
    to.put(ERASURES, &text(&erasures))?;
    let manifest = Manifest { v: 1, at, id, segments };
    let name = to.free_name(at)?;
    to.put(&name, &text(&manifest))?;
    let (segments, erasures) = (manifest.segments.len() as u64, erasures.slots.len() as u64);
    Ok(Made { manifest: name, segments, copied, bytes, erasures })
}

fn text<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("only strings and numbers, which always serialize")
}

fn read_text(path: &Path) -> Result<String, ArchiveError> {
    std::fs::read_to_string(path).map_err(|error| cannot(&format!("read {}", path.display()), &error))
}

fn differs(piece: &Piece) -> ArchiveError {
    let what = format!("{} of the backup", piece.name);
    ArchiveError::Damaged { what, detail: "its bytes are not what they were".to_owned() }
}

fn cannot(what: &str, error: &std::io::Error) -> ArchiveError {
    ArchiveError::Backup(format!("cannot {what}: {error}"))
}
