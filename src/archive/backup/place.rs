//! What a place of backups has to be able to do, and what follows from that.

use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{ArchiveError, Manifest, Piece};

/// Where backups lie. All of it blocks. What `put` and `keep` wrote is there whole and durable when they return, or
/// what was there before stays as it was.
pub trait Place: std::fmt::Debug + Send + Sync {
    /// How people know it.
    fn shown(&self) -> String;
    /// Before the first `put` of a backup.
    fn prepare(&self) -> Result<(), ArchiveError>;
    /// Replaces a small file.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError>;
    /// A small file; `None`: it is not there.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError>;
    /// Names of the small files, in any order.
    fn names(&self) -> Result<Vec<String>, ArchiveError>;
    /// Whether a piece is there whole.
    fn has(&self, piece: &Piece) -> Result<bool, ArchiveError>;
    /// Copies as many bytes of a file as the piece has; fails if they are not the piece's.
    fn keep(&self, from: &Path, piece: &Piece) -> Result<(), ArchiveError>;
    /// Copies a piece into a file, synced; fails if its bytes are not the piece's.
    fn bring(&self, piece: &Piece, to: &Path) -> Result<(), ArchiveError>;
}

impl dyn Place + '_ {
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ArchiveError> {
        let damaged = |error: serde_json::Error| ArchiveError::Damaged {
            what: format!("{name} of the backup"),
            detail: error.to_string(),
        };
        self.get(name)?.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
    }

    /// A name for a manifest that none has yet; in the order of time.
    pub(super) fn free_name(&self, at: Timestamp) -> Result<String, ArchiveError> {
        let taken = self.manifests()?;
        let stamp: String = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let name = |n: u32| format!("manifest-{stamp}-{n:03}.json");
        Ok((0..=u32::MAX).map(name).find(|name| !taken.contains(name)).expect("nobody makes so many in a second"))
    }

    /// Names of manifests, oldest first.
    fn manifests(&self) -> Result<Vec<String>, ArchiveError> {
        let is_one =
            |name: &String| name.strip_prefix("manifest-").is_some_and(|rest| rest.strip_suffix(".json").is_some());
        let mut names: Vec<String> = self.names()?.into_iter().filter(is_one).collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn newest(&self) -> Result<Option<(String, Manifest)>, ArchiveError> {
        let Some(name) = self.manifests()?.pop() else { return Ok(None) };
        Ok(self.json(&name)?.map(|manifest| (name, manifest)))
    }

    /// The named manifest, or the newest.
    pub(super) fn manifest(&self, name: Option<&str>) -> Result<(String, Manifest), ArchiveError> {
        let found = match name {
            None => self.newest()?,
            Some(name) if name.contains('/') => None,
            Some(name) => self.json(name)?.map(|manifest| (name.to_owned(), manifest)),
        };
        let none = || {
            let which = name.map_or_else(String::new, |name| format!(" named {name}"));
            ArchiveError::Backup(format!(
                "no finished one{which} lies in {}; make one: crm-undo backup create",
                self.shown()
            ))
        };
        found.ok_or_else(none)
    }
}
