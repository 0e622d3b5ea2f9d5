//! Files of the drive (§2.15): versions with their bytes, the trash, and which record has which file.

use bytes::Bytes;

use super::World;
use super::kind::Ref;
use crate::ledger::What;

/// Trashed files are purged after this long, on the account's clock.
const TRASH_SECONDS: i64 = 30 * 86_400;
/// An upload that is not finished by then is forgotten.
const SESSION_SECONDS: i64 = 86_400;

/// One file; its uuid is the key it is kept under.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    /// The newest is last; there is always one.
    pub versions: Vec<Version>,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    /// In the trash since.
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub uuid: String,
    pub content_type: String,
    pub created_at: i64,
    pub content: Bytes,
}

/// An upload that has not got all its parts yet.
#[derive(Clone, Debug)]
pub struct Upload {
    pub file_name: String,
    pub file_size: usize,
    pub content_type: String,
    /// The file that gets a new version.
    pub file_uuid: Option<String>,
    pub opened_at: i64,
    pub parts: usize,
    pub content: Vec<u8>,
}

/// One file on one record; `id` orders them.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub id: u64,
    pub file: String,
}

impl World {
    /// The next of an endless row of identifiers that look random and are the same in every run.
    pub fn new_uuid(&mut self) -> String {
        self.uuids += 1;
        crate::uuids::nth(self.uuids)
    }

    pub fn open_upload(&mut self, upload: Upload) -> String {
        let id = self.new_uuid();
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// The upload, if it is not too old.
    pub fn upload(&mut self, id: &str) -> Option<&mut Upload> {
        let now = self.clock.now();
        self.uploads.retain(|_, upload| now < upload.opened_at + SESSION_SECONDS);
        self.uploads.get_mut(id)
    }

    /// Makes the file, or its new version, of a complete upload. `None` if the file that was to get a version is gone.
    pub fn finish_upload(&mut self, id: &str) -> Option<String> {
        let upload = self.uploads.remove(id)?;
        let now = self.clock.now();
        let version = Version {
            uuid: self.new_uuid(),
            content_type: upload.content_type,
            created_at: now,
            content: upload.content.into(),
        };
        let user = self.actor.user;
        if let Some(uuid) = upload.file_uuid {
            let file = self.files.get_mut(&uuid).filter(|file| file.deleted_at.is_none())?;
            file.versions.push(version);
            (file.updated_at, file.updated_by) = (now, user);
            self.did(What::Changed, "files", &uuid);
            return Some(uuid);
        }
        let uuid = self.new_uuid();
        self.put_file(uuid.clone(), upload.file_name, version);
        self.did(What::Created, "files", &uuid);
        Some(uuid)
    }

    /// Adds a row and nothing else.
    pub fn put_file(&mut self, uuid: String, name: String, version: Version) {
        let (user, at) = (self.actor.user, version.created_at);
        let file = File {
            name,
            versions: vec![version],
            created_by: user,
            updated_by: user,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            deleted_by: None,
        };
        self.files.insert(uuid, file);
    }

    /// Into the trash; says whether it was not there yet.
    pub fn trash_file(&mut self, uuid: &str) -> bool {
        let (now, user) = (self.clock.now(), self.actor.user);
        let Some(file) = self.files.get_mut(uuid).filter(|file| file.deleted_at.is_none()) else { return false };
        (file.deleted_at, file.deleted_by) = (Some(now), Some(user));
        self.did(What::Deleted, "files", uuid);
        true
    }

    /// Out of the trash, with the same uuid.
    pub fn restore_file(&mut self, uuid: &str) -> bool {
        let Some(file) = self.files.get_mut(uuid).filter(|file| file.deleted_at.is_some()) else { return false };
        (file.deleted_at, file.deleted_by) = (None, None);
        self.did(What::Restored, "files", uuid);
        true
    }

    pub(super) fn purge_files(&mut self) {
        let before = self.clock.now() - TRASH_SECONDS;
        let count = self.files.len();
        self.files.retain(|_, file| file.deleted_at.is_none_or(|at| at >= before));
        let files = &self.files;
        for rows in self.attachments.values_mut() {
            rows.retain(|row| files.contains_key(&row.file));
        }
        if self.files.len() < count {
            self.version += 1;
        }
    }

    /// The files of a record that are not in the trash, the newest link first.
    pub fn files_of(&self, of: Ref) -> impl Iterator<Item = &Attachment> {
        let rows = self.attachments.get(&of).map_or(&[][..], Vec::as_slice);
        rows.iter().rev().filter(|row| self.file_usable(&row.file))
    }

    pub fn attach_file(&mut self, of: Ref, uuid: &str) {
        let rows = self.attachments.entry(of).or_default();
        if rows.iter().any(|row| row.file == uuid) {
            return;
        }
        self.last_attachment += 1;
        rows.push(Attachment { id: self.last_attachment, file: uuid.to_owned() });
        self.did_to(What::Linked, of.kind.word(), of.id, Some(("files", uuid.to_owned())));
    }

    pub fn detach_file(&mut self, of: Ref, uuid: &str) {
        let Some(rows) = self.attachments.get_mut(&of) else { return };
        let before = rows.len();
        rows.retain(|row| row.file != uuid);
        if rows.len() < before {
            self.did_to(What::Unlinked, of.kind.word(), of.id, Some(("files", uuid.to_owned())));
        }
    }

    /// The living records that have this file.
    pub fn holders_of(&self, uuid: &str) -> Vec<Ref> {
        let holds = |rows: &[Attachment]| rows.iter().any(|row| row.file == uuid);
        let holders = self.attachments.iter().filter(|(of, rows)| holds(rows) && self.alive(**of).is_some());
        let mut holders: Vec<Ref> = holders.map(|(of, _)| *of).collect();
        holders.sort_unstable();
        holders
    }
}
