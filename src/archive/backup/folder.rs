//! A folder as the place of backups. A file is there whole and synced, or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{ArchiveError, PIECES, Piece, Place, cannot, differs};

const CHUNK: usize = 1 << 20;

/// Where backups lie.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// This one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn place(&self, piece: &Piece) -> PathBuf {
        self.0.join(PIECES).join(piece.stored())
    }
}

impl Place for Folder {
    fn shown(&self) -> String {
        self.0.display().to_string()
    }

    fn prepare(&self) -> Result<(), ArchiveError> {
        fs::create_dir_all(self.0.join(PIECES)).map_err(|error| cannot("make the folder of backups", &error))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        whole(&self.0.join(name), |file| file.write_all(bytes)).map_err(|error| cannot("write the backup", &error))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot(&format!("read {name} of the backup"), &error)),
        }
    }

    fn names(&self) -> Result<Vec<String>, ArchiveError> {
        let listing = match fs::read_dir(&self.0) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot("list the backups", &error)),
        };
        Ok(listing.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }

    // It is whole then: it was synced before it got its name.
    fn has(&self, piece: &Piece) -> Result<bool, ArchiveError> {
        Ok(fs::metadata(self.place(piece)).is_ok_and(|there| there.len() == piece.bytes))
    }

    fn keep(&self, from: &Path, piece: &Piece) -> Result<(), ArchiveError> {
        copy(from, &self.place(piece), piece)
    }

    fn bring(&self, piece: &Piece, to: &Path) -> Result<(), ArchiveError> {
        copy(&self.place(piece), to, piece)
    }
}

/// The first bytes of a segment as a piece.
pub(super) fn piece(path: &Path, name: &str, used: u64) -> Result<Piece, ArchiveError> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    each(path, used, |part| {
        bytes += part.len() as u64;
        hasher.update(part);
        Ok(())
    })
    .map_err(|error| cannot(&format!("read {name}"), &error))?;
    Ok(Piece { name: name.to_owned(), bytes, hash: hasher.finalize().to_hex().to_string() })
}

/// Copies as many bytes as the piece has, synced; fails if they are not the piece's.
fn copy(from: &Path, to: &Path, piece: &Piece) -> Result<(), ArchiveError> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    let draft = |file: &mut File| {
        each(from, piece.bytes, |part| {
            bytes += part.len() as u64;
            hasher.update(part);
            file.write_all(part)
        })?;
        let same = bytes == piece.bytes && hasher.finalize().to_hex().as_str() == piece.hash;
        if same { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    whole(to, draft).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => differs(piece),
        _ => cannot(&format!("copy {}", piece.name), &error),
    })
}

fn each(path: &Path, most: u64, mut on: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::open(path)?.take(most);
    let mut part = vec![0; CHUNK];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(()),
            read => on(&part[..read])?,
        }
    }
}

/// Written beside, synced, renamed.
pub(super) fn whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new("."));
    let draft = parent.join(format!(".{name}.tmp"));
    let mut file = File::create(&draft)?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&draft, path)) {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    File::open(parent)?.sync_all()
}
