//! How an entry looks to clients: a row of the bin, and in detail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use super::{stamp, word};
use crate::domain::entry::Entry;
use crate::domain::record::{ManifestLine, Part, Snapshot};
use crate::domain::restore::Loss;
use crate::engine::look::Prospect;

/// One record in the bin.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
pub(in crate::console) struct Row {
    id: String,
    connection: String,
    /// The CRM's own word (`contacts`).
    object: String,
    /// The id it had in the CRM.
    record_id: String,
    /// What a person calls it.
    title: String,
    #[schema(format = DateTime)]
    deleted_at: String,
    deleted_by: String,
    /// `proxy`, `job` or `crm`.
    via: String,
    /// The operation that destroyed it.
    operation: String,
    state: String,
    #[schema(format = DateTime)]
    copy_taken_at: String,
    /// When retention drops it.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The id of the record that replaces it, once restored.
    restored_as: Option<String>,
    /// For `kept` and `needs_review`: why.
    reason: Option<String>,
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            connection: entry.connection,
            object: entry.record.object,
            record_id: entry.record.id,
            title: entry.title,
            deleted_at: stamp(entry.deleted_at),
            deleted_by: entry.deleted_by,
            via: word(&entry.via),
            operation: entry.operation.to_string(),
            state: word(&entry.state),
            copy_taken_at: stamp(entry.copy_taken_at),
            expires_at: stamp(entry.expires_at),
            restored_as: entry.restored_as.map(|record| record.id),
            reason: entry.reason,
        }
    }
}

/// One record in the bin, with all that was kept of it.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct EntryDetail {
    #[serde(flatten)]
    row: Row,
    /// Null once retention or erasure has removed it.
    snapshot: Option<SnapshotView>,
    restorable: Restorable,
    /// Whether the CRM's log shows a change after the snapshot was last seen to be true: that change is lost.
    changed_after_snapshot: bool,
}

/// The vendor's own text.
#[derive(Serialize, ToSchema)]
#[schema(as = Snapshot)]
struct SnapshotView {
    parts: Vec<PartView>,
    manifest: Vec<ManifestView>,
    #[schema(format = DateTime)]
    taken_at: String,
    /// `gateway` or `caller`: with whose rights it was read. What those rights hide is not in it.
    read_by: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Part)]
struct PartView {
    name: String,
    content_type: String,
    /// As the CRM sent it. Null if it is not UTF-8: then `body_base64` has it.
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ManifestLine)]
struct ManifestView {
    part: String,
    expected: u64,
    got: u64,
}

/// What will come back, and what will not.
#[derive(Serialize, ToSchema)]
struct Restorable {
    /// Names of the fields that will come back.
    fields: Vec<String>,
    /// Records it will be linked with again, if they are alive by then.
    links: Vec<String>,
    losses: Vec<LossView>,
    /// Whether the account could be looked at for this. If not, `fields`, `links` and `losses` are empty.
    checked: bool,
    #[schema(format = DateTime)]
    checked_at: Option<String>,
    /// If not: why.
    unchecked_because: Option<String>,
}

/// Something that will not come back, or did not.
#[derive(Serialize, ToSchema)]
#[schema(as = Loss)]
pub(super) struct LossView {
    record: String,
    field: String,
    /// A stable word.
    reason: String,
    detail: String,
}

impl From<Loss> for LossView {
    fn from(loss: Loss) -> Self {
        Self { record: loss.record.to_string(), field: loss.field, reason: loss.reason, detail: loss.detail }
    }
}

impl EntryDetail {
    /// `prospect` and `snapshot` are missing together: without a copy nothing can come back.
    pub(super) fn new(entry: Entry, kept: Option<(Snapshot, Prospect)>, changed_after_snapshot: bool) -> Self {
        let (snapshot, restorable) = match kept {
            Some((snapshot, prospect)) => {
                let restorable = Restorable::new(&snapshot, prospect);
                (Some(snapshot.into()), restorable)
            }
            None => (None, Restorable::nothing("the copy was removed by retention or erasure")),
        };
        Self { row: entry.into(), snapshot, restorable, changed_after_snapshot }
    }
}

impl From<Snapshot> for SnapshotView {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            parts: snapshot.parts.into_iter().map(PartView::from).collect(),
            manifest: snapshot.manifest.into_iter().map(ManifestView::from).collect(),
            taken_at: stamp(snapshot.taken_at),
            read_by: word(&snapshot.read_by),
        }
    }
}

impl From<Part> for PartView {
    fn from(part: Part) -> Self {
        // Never "repaired": text with replacement characters in it would no longer be what the CRM sent.
        let (body, body_base64) = match String::from_utf8(part.body.to_vec()) {
            Ok(text) => (Some(text), None),
            Err(_) => (None, Some(STANDARD.encode(&part.body))),
        };
        Self { name: part.name, content_type: part.content_type, body, body_base64 }
    }
}

impl From<ManifestLine> for ManifestView {
    fn from(line: ManifestLine) -> Self {
        Self { part: line.part, expected: line.expected, got: line.got }
    }
}

impl Restorable {
    fn new(snapshot: &Snapshot, prospect: Prospect) -> Self {
        let at = match prospect.seen {
            Ok(at) => at,
            Err(why) => return Self::nothing(&why),
        };
        let lost = |end: &str| prospect.draft.losses.iter().any(|loss| loss.field == format!("links.{end}"));
        let links = snapshot.associations.iter().map(|link| link.to.to_string()).filter(|end| !lost(end)).collect();
        Self {
            fields: prospect.draft.fields,
            links,
            losses: prospect.draft.losses.into_iter().map(LossView::from).collect(),
            checked: true,
            checked_at: Some(stamp(at)),
            unchecked_because: None,
        }
    }

    fn nothing(why: &str) -> Self {
        Self {
            fields: Vec::new(),
            links: Vec::new(),
            losses: Vec::new(),
            checked: false,
            checked_at: None,
            unchecked_because: Some(why.to_owned()),
        }
    }
}
