//! One row of a page, byte for byte as it came, and read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A row. `raw` is a slice of the page it came in, never written anew.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub raw: Bytes,
    pub value: Value,
    pub content_type: Arc<str>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow, rename = "_embedded", default)]
    embedded: Option<HashMap<String, &'a RawValue>>,
}

impl Row {
    /// `None` if it is no JSON object.
    pub fn read(raw: Bytes, content_type: Arc<str>) -> Option<Self> {
        let value: Value = serde_json::from_slice(&raw).ok()?;
        value.is_object().then_some(Self { raw, value, content_type })
    }

    pub fn id(&self) -> Option<u64> {
        self.number("id")
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.value.get(key).and_then(Value::as_u64)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }

    /// What makes it the same row on another page: its id, or all of it where it has none.
    pub fn identity(&self) -> Bytes {
        self.id().map_or_else(|| self.raw.clone(), |id| Bytes::from(id.to_string()))
    }

    /// A list in `_embedded`; `None` if it is not shown at all.
    pub fn embedded(&self, key: &str) -> Option<&Vec<Value>> {
        self.value.get("_embedded")?.get(key)?.as_array()
    }

    /// The rows of a list in `_embedded`, as slices of this row.
    pub fn embedded_rows(&self, key: &str) -> Option<Vec<Self>> {
        let embedding: Embedding<'_> = serde_json::from_slice(&self.raw).ok()?;
        let list = embedding.embedded?.get(key).copied()?;
        let rows: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        rows.into_iter()
            .map(|raw| Self::read(self.raw.slice_ref(raw.get().as_bytes()), Arc::clone(&self.content_type)))
            .collect()
    }

    /// The text of one key, as it came; `null` where there is none.
    pub fn raw_text(&self, key: &str) -> String {
        let read = serde_json::from_slice::<HashMap<String, &RawValue>>(&self.raw).ok();
        read.and_then(|keys| keys.get(key).map(|raw| raw.get().to_owned())).unwrap_or_else(|| "null".to_owned())
    }
}
