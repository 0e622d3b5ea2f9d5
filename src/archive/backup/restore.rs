//! Back from a backup: into an empty directory, in a drill, or one damaged segment at a time.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::folder::{self, whole};
use super::{ArchiveError, ERASURES, Erasures, ID, Manifest, Place, RING, cannot};
use crate::archive::durable::{self, Options};
use crate::archive::{CheckReport, Store as _};

const STAGE: &str = "restore-tmp";

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// From this manifest.
    pub manifest: String,
    /// Segments.
    pub segments: u64,
    /// Erasures that were applied again.
    pub erasures: u64,
}

/// Puts a backup into the directory of `options`, which holds no archive. It is there whole or not at all; erasures that
/// are newer than the backup are applied before anything can be read. Blocks.
pub fn restore(
    from: &dyn Place,
    manifest: Option<&str>,
    options: &Options,
    accept_lost_erasures: bool,
) -> Result<Restored, ArchiveError> {
    for taken in ["journal", "keys", "index"] {
        if options.dir.join(taken).exists() {
            return Err(ArchiveError::Invalid(format!(
                "{} holds an archive already; restore into an empty directory",
                options.dir.display()
            )));
        }
    }
    let (name, manifest) = from.manifest(manifest)?;
    let erasures: Option<Erasures> = from.json(ERASURES)?;
    if erasures.is_none() && !accept_lost_erasures {
        return Err(ArchiveError::Invalid(format!(
            "{} has no {ERASURES}: what was erased since would come back; put the list back, or give \
             --accept-lost-erasures",
            from.shown()
        )));
    }
    let slots = erasures.unwrap_or_default().slots;
    let stage = options.dir.join(STAGE);
    clear(&stage)?;
    fill(from, &manifest, &stage)?;
    let staged = Options { dir: stage.clone(), key_file: Some(options.key_path()), ..options.clone() };
    durable::erase_again(&staged, &slots)?;
    // The journal last: with it, it is an archive.
    for part in ["keys", "journal"] {
        fs::rename(stage.join(part), options.dir.join(part)).map_err(|error| cannot("move it into place", &error))?;
    }
    fs::File::open(&options.dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| cannot("sync the directory", &error))?;
    clear(&stage)?;
    Ok(Restored { manifest: name, segments: manifest.segments.len() as u64, erasures: slots.len() as u64 })
}

fn fill(from: &dyn Place, manifest: &Manifest, to: &Path) -> Result<(), ArchiveError> {
    let (journal, keys) = (to.join("journal"), to.join("keys"));
    for dir in [&journal, &keys] {
        fs::create_dir_all(dir).map_err(|error| cannot("make its directory", &error))?;
    }
    for piece in &manifest.segments {
        from.bring(piece, &journal.join(&piece.name))?;
    }
    for name in RING {
        let ring = from.get(name)?.ok_or_else(|| ArchiveError::NotFound(format!("{name} of the backup")))?;
        whole(&keys.join(name), |file| file.write_all(&ring)).map_err(|error| cannot("write the key ring", &error))?;
    }
    whole(&journal.join(ID), |file| file.write_all(manifest.id.as_bytes()))
        .map_err(|error| cannot("write journal.id", &error))
}

fn clear(dir: &Path) -> Result<(), ArchiveError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot("clear what was left", &error)),
        _ => Ok(()),
    }
}

/// Restores a backup into a directory for the purpose, opens every frame with the key, and removes it again. Blocks.
pub async fn drill(
    from: &dyn Place,
    manifest: Option<&str>,
    options: &Options,
    scratch: PathBuf,
) -> Result<(Restored, CheckReport), ArchiveError> {
    if scratch.exists() {
        return Err(ArchiveError::Invalid(format!("{} is there already", scratch.display())));
    }
    fs::create_dir_all(&scratch).map_err(|error| cannot("make a directory for the drill", &error))?;
    let tried = Options { dir: scratch.clone(), key_file: Some(options.key_path()), ..options.clone() };
    let done = async {
        let restored = restore(from, manifest, &tried, false)?;
        let store = durable::open(tried.clone())?;
        let mut report = store.check().await?;
        report.damage.extend(store.recovery().damage.iter().cloned());
        Ok((restored, report))
    };
    let done = done.await;
    clear(&scratch)?;
    done
}

/// Replaces what differs from a backup in segments of an archive that is not in use; what was there stays beside, as
/// `.damaged`. The index goes, and is made anew at the next start. Names what was replaced. Blocks.
pub fn repair(from: Option<&dyn Place>, options: &Options) -> Result<Vec<String>, ArchiveError> {
    // Opening mends journal.id, and makes sure that nobody else has it and that the key is the right one.
    match durable::open(options.clone()) {
        Ok(_) | Err(ArchiveError::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut replaced = Vec::new();
    if let Some(from) = from {
        let (_, manifest) = from.manifest(None)?;
        let journal = options.dir.join("journal");
        for piece in &manifest.segments {
            let path = journal.join(&piece.name);
            if path.exists() && folder::piece(&path, &piece.name, piece.bytes)? == *piece {
                continue;
            }
            let good = journal.join(format!("{}.tmp", piece.name));
            from.bring(piece, &good)?;
            mend(&path, &good, piece.bytes).map_err(|error| cannot(&format!("mend {}", piece.name), &error))?;
            replaced.push(piece.name.clone());
        }
    }
    clear(&options.dir.join("index"))?;
    Ok(replaced)
}

/// The good beginning, then what followed it in the damaged one.
fn mend(path: &Path, good: &Path, bytes: u64) -> std::io::Result<()> {
    if path.exists() {
        let mut rest = fs::File::open(path)?;
        rest.seek(SeekFrom::Start(bytes))?;
        let mut tail = Vec::new();
        rest.read_to_end(&mut tail)?;
        let mut file = fs::OpenOptions::new().append(true).open(good)?;
        file.write_all(&tail)?;
        file.sync_all()?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".damaged");
        fs::rename(path, &beside)?;
    }
    fs::rename(good, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
