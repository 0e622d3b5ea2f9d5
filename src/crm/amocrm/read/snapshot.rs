//! Rows -> a snapshot: parts, manifest, title, keys.

use bytes::Bytes;
use serde_json::Value;

use super::row::Row;
use crate::crm::{Access, Reach};
use crate::domain::record::{Association, Eyes, ManifestLine, Part, RecordRef, SearchKeys, Snapshot};

const HAL: &str = "application/hal+json";
const LONGEST_TITLE: usize = 80;

/// A snapshot being put together.
#[derive(Debug)]
pub(super) struct Draft(Snapshot);

impl Draft {
    /// Begins with the record's own row.
    pub fn new(reach: Reach<'_>, of: &RecordRef, record: &Row) -> Self {
        let draft = Self(Snapshot {
            connection: reach.connection.to_owned(),
            of: of.clone(),
            title: of.to_string(),
            keys: SearchKeys::default(),
            parts: Vec::new(),
            associations: Vec::new(),
            manifest: Vec::new(),
            taken_at: reach.now,
            read_by: match reach.access {
                Access::Own => Eyes::Gateway,
                Access::Caller(_) => Eyes::Caller,
            },
        });
        draft.part("record", &record.content_type, record.raw.clone(), 1, 1)
    }

    /// A part with its line in the manifest.
    pub fn part(mut self, name: &str, content_type: &str, body: Bytes, expected: u64, got: u64) -> Self {
        self.0.parts.push(Part { name: name.to_owned(), content_type: content_type.to_owned(), body });
        self.0.manifest.push(ManifestLine { part: name.to_owned(), expected, got });
        self
    }

    /// Rows as a JSON array. That the list ended honestly has been seen by whoever read them.
    pub fn rows(self, name: &str, rows: &[Row]) -> Self {
        let content_type = rows.first().map_or(HAL, |row| &row.content_type).to_owned();
        self.slices(name, &content_type, &rows.iter().map(|row| row.raw.clone()).collect::<Vec<_>>())
    }

    /// Slices as a JSON array.
    pub fn slices(self, name: &str, content_type: &str, rows: &[Bytes]) -> Self {
        let count = rows.len() as u64;
        self.part(name, content_type, joined(rows), count, count)
    }

    /// More rows were expected than could be had.
    pub fn expecting(mut self, name: &str, rows: u64) -> Self {
        if let Some(line) = self.0.manifest.iter_mut().find(|line| line.part == name) {
            line.expected = line.expected.max(rows);
        }
        self
    }

    pub fn title(mut self, title: Option<String>) -> Self {
        if let Some(title) = title.filter(|title| !title.trim().is_empty()) {
            self.0.title = title;
        }
        self
    }

    pub fn keys(mut self, keys: SearchKeys) -> Self {
        self.0.keys = keys;
        self
    }

    pub fn associations(mut self, associations: Vec<Association>) -> Self {
        self.0.associations = associations;
        self
    }

    pub fn done(self) -> Box<Snapshot> {
        Box::new(self.0)
    }
}

fn joined(rows: &[Bytes]) -> Bytes {
    let mut body = Vec::with_capacity(rows.iter().map(|row| row.len() + 1).sum::<usize>() + 2);
    body.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(row);
    }
    body.push(b']');
    body.into()
}

/// The name of a card.
pub(super) fn name(row: &Row) -> Option<String> {
    row.text("name").map(ToOwned::to_owned)
}

/// The text of a task, a note or a purchase, cut.
pub(super) fn words(row: &Row) -> Option<String> {
    let params = row.value.get("params").and_then(|params| params.get("text")).and_then(Value::as_str);
    let text = row.text("text").or(params).or_else(|| row.text("comment")).or_else(|| row.text("note_type"))?;
    Some(text.chars().take(LONGEST_TITLE).collect())
}

/// What a card can be found by.
pub(super) fn keys(row: &Row) -> SearchKeys {
    let mut names: Vec<String> = Vec::new();
    for key in ["name", "first_name", "last_name"] {
        if let Some(name) = row.text(key).filter(|name| !name.trim().is_empty())
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    SearchKeys { names, emails: values_of(row, "EMAIL"), phones: values_of(row, "PHONE") }
}

fn values_of(row: &Row, code: &str) -> Vec<String> {
    let fields = row.value.get("custom_fields_values").and_then(Value::as_array).into_iter().flatten();
    let fields = fields.filter(|field| field.get("field_code").and_then(Value::as_str) == Some(code));
    let values = fields.filter_map(|field| field.get("values")?.as_array()).flatten();
    values.filter_map(|value| value.get("value")?.as_str().map(ToOwned::to_owned)).collect()
}
