//! A record of a CRM, and the snapshot of it: everything that would be lost with it, in the vendor's own bytes.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::SnapshotId;

/// One thing in the CRM. `object` is the CRM's own path word (`contacts`); `id` is the CRM's id as text.
/// Things without an id of their own (`links`, `tags`) have one composed by the dialect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordRef {
    /// Kind of thing, as the CRM's paths call it.
    pub object: String,
    /// Never contains `/`.
    pub id: String,
}

impl RecordRef {
    /// A reference; `object` and `id` are taken as they are.
    #[allow(clippy::needless_pass_by_value)] // ids come as numbers and as text
    pub fn new(object: impl Into<String>, id: impl ToString) -> Self {
        Self { object: object.into(), id: id.to_string() }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object, self.id)
    }
}

/// The text is not `object/id`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a record: write it as object/id, for example contacts/2001")]
pub struct NotARecord(String);

impl FromStr for RecordRef {
    type Err = NotARecord;
    fn from_str(text: &str) -> Result<Self, NotARecord> {
        match text.split_once('/') {
            Some((object, id)) if !object.is_empty() && !id.is_empty() && !id.contains('/') => {
                Ok(Self::new(object, id))
            }
            _ => Err(NotARecord(text.to_owned())),
        }
    }
}

impl Serialize for RecordRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A piece of a snapshot: the vendor's own text, byte for byte as it was received for this record.
/// Where one page holds the rows of many records, a part is the exact slice of that record's row or the rows
/// joined into a JSON array; numbers and key order are never rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `record`, `notes`, `tasks`, `links`, …: stable words of the dialect.
    pub name: String,
    /// As the CRM declared it.
    pub content_type: String,
    /// The vendor's bytes.
    pub body: Bytes,
}

/// A link between two records, read at the time of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// The record the snapshot is of.
    pub from: RecordRef,
    /// The other end.
    pub to: RecordRef,
    /// The vendor's metadata of the link (main contact, quantity), as JSON text.
    pub metadata: String,
}

/// One line of the completeness manifest. A snapshot is complete when every line has `got == expected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// Name of the part.
    pub part: String,
    /// How many rows the CRM said there are; where it does not say, how many its pages held up to their honest end.
    pub expected: u64,
    /// How many rows lie in the part.
    pub got: u64,
}

/// Whose rights a snapshot was read with. What those rights hide is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eyes {
    /// The connection's own token.
    Gateway,
    /// The token of the caller who asked for the delete.
    Caller,
}

/// What the bin can be searched by. Personal data: sealed wherever it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchKeys {
    /// Names, as written.
    pub names: Vec<String>,
    /// E-mail addresses, as written.
    pub emails: Vec<String>,
    /// Phone numbers, as written.
    pub phones: Vec<String>,
}

/// A record and all that hangs on it, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Name of the connection it was read through.
    pub connection: String,
    /// The record.
    pub of: RecordRef,
    /// What a person would call it (the contact's name, the deal's name). Personal data.
    pub title: String,
    /// What it can be found by.
    pub keys: SearchKeys,
    /// The vendor's own text.
    pub parts: Vec<Part>,
    /// Links to other records.
    pub associations: Vec<Association>,
    /// What was expected and what was read.
    pub manifest: Vec<ManifestLine>,
    /// When the reading began.
    pub taken_at: Timestamp,
    /// Whose rights it was read with.
    pub read_by: Eyes,
}

impl Snapshot {
    /// The first manifest line that is not whole, if any. A snapshot with one is never followed by a delete.
    pub fn incomplete(&self) -> Option<&ManifestLine> {
        self.manifest.iter().find(|line| line.got != line.expected)
    }

    /// The named part.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The bytes the archive keeps: a length-prefixed JSON head, then the bodies of the parts as they are.
    pub fn encode(&self) -> Vec<u8> {
        let head = Head {
            connection: self.connection.clone(),
            of: self.of.clone(),
            title: self.title.clone(),
            keys: self.keys.clone(),
            parts: self.parts.iter().map(|p| (p.name.clone(), p.content_type.clone(), p.body.len())).collect(),
            associations: self.associations.clone(),
            manifest: self.manifest.clone(),
            taken_at: self.taken_at,
            read_by: self.read_by,
        };
        let head = serde_json::to_vec(&head).expect("a head has only strings and numbers, which always serialize");
        let length = u32::try_from(head.len()).expect("a head is far below 4 GiB: bodies are not in it");
        let bodies: usize = self.parts.iter().map(|p| p.body.len()).sum();
        let mut bytes = Vec::with_capacity(4 + head.len() + bodies);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&head);
        for part in &self.parts {
            bytes.extend_from_slice(&part.body);
        }
        bytes
    }

    /// The snapshot that [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadSnapshot> {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(BadSnapshot::Short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| BadSnapshot::Short)?;
        let (head, mut rest) = rest.split_at_checked(length).ok_or(BadSnapshot::Short)?;
        let head: Head = serde_json::from_slice(head)?;
        let mut parts = Vec::with_capacity(head.parts.len());
        for (name, content_type, length) in head.parts {
            let (body, after) = rest.split_at_checked(length).ok_or(BadSnapshot::Short)?;
            parts.push(Part { name, content_type, body: Bytes::copy_from_slice(body) });
            rest = after;
        }
        if !rest.is_empty() {
            return Err(BadSnapshot::Long);
        }
        Ok(Self {
            connection: head.connection,
            of: head.of,
            title: head.title,
            keys: head.keys,
            parts,
            associations: head.associations,
            manifest: head.manifest,
            taken_at: head.taken_at,
            read_by: head.read_by,
        })
    }

    /// Content address of [`encode`](Self::encode)'s bytes.
    pub fn id(&self) -> SnapshotId {
        SnapshotId(*blake3::hash(&self.encode()).as_bytes())
    }
}

/// Bytes that are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// Fewer bytes than it says.
    #[error("the snapshot is cut short")]
    Short,
    /// More bytes than it says.
    #[error("bytes follow the end of the snapshot")]
    Long,
    /// The head is no JSON of ours.
    #[error("the head of the snapshot is unreadable: {0}")]
    Head(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Head {
    connection: String,
    of: RecordRef,
    title: String,
    keys: SearchKeys,
    parts: Vec<(String, String, usize)>,
    associations: Vec<Association>,
    manifest: Vec<ManifestLine>,
    taken_at: Timestamp,
    read_by: Eyes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_from_its_bytes() {
        let snapshot = Snapshot {
            connection: "acme".into(),
            of: RecordRef::new("contacts", 2001),
            title: "Anna Serova".into(),
            keys: SearchKeys { names: vec!["Anna".into()], ..SearchKeys::default() },
            parts: vec![Part {
                name: "record".into(),
                content_type: "application/hal+json".into(),
                body: Bytes::from_static(b"{\"price\":1.10,\"price\":1.1}"),
            }],
            associations: vec![],
            manifest: vec![ManifestLine { part: "record".into(), expected: 1, got: 1 }],
            taken_at: Timestamp::UNIX_EPOCH,
            read_by: Eyes::Gateway,
        };
        assert_eq!(Snapshot::decode(&snapshot.encode()).expect("readable"), snapshot);
        let mut cut = snapshot.encode();
        cut.pop();
        assert!(matches!(Snapshot::decode(&cut), Err(BadSnapshot::Short)));
    }

    #[test]
    fn a_record_is_written_as_object_slash_id() {
        assert_eq!("contacts/2001".parse::<RecordRef>().expect("a record").to_string(), "contacts/2001");
        for bad in ["contacts", "/1", "contacts/", "contacts/1/2"] {
            assert!(bad.parse::<RecordRef>().is_err(), "{bad}");
        }
    }
}
