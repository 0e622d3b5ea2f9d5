//! Looking into amoCRM's JSON rows and into the parts of a snapshot.

use serde_json::{Map, Value};

use super::wire::numeric_id;
use crate::domain::record::{RecordRef, Snapshot};

/// Kinds of records that have fields, links and a timeline of their own.
pub const CARDS: [&str; 4] = ["leads", "contacts", "companies", "customers"];

/// Won, in every pipeline (§2.1).
pub const WON: u64 = 142;
/// Lost, in every pipeline (§2.1).
pub const LOST: u64 = 143;

/// The part as JSON; `None` if it is not there or is no JSON.
pub fn part(snapshot: &Snapshot, name: &str) -> Option<Value> {
    serde_json::from_slice(&snapshot.part(name)?.body).ok()
}

/// The rows of a part that is an array; none for any other.
pub fn rows(snapshot: &Snapshot, name: &str) -> Vec<Value> {
    match part(snapshot, name) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    }
}

/// An id: amoCRM and its clients write them as numbers and as text.
pub fn id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().filter(|id| *id > 0),
        Value::String(text) => numeric_id(text),
        _ => None,
    }
}

/// The id under a key.
pub fn id_at(row: &Value, key: &str) -> Option<u64> {
    row.get(key).and_then(id)
}

/// The number of a record's id.
pub fn number(record: &RecordRef) -> Option<u64> {
    numeric_id(&record.id)
}

/// The text under a key, if it is not empty.
pub fn text_at<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The rows of `_embedded.{key}`.
pub fn embedded<'a>(row: &'a Value, key: &str) -> &'a [Value] {
    row.get("_embedded").and_then(|embedded| embedded.get(key)).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a person would miss this value: not null, not empty, not zero, not `false`.
pub fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(rows) => !rows.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) => true,
    }
}

/// The object without its nulls.
pub fn without_nulls(object: &Map<String, Value>) -> Map<String, Value> {
    object.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Names of the tags of a card.
pub fn tag_names(record: &Value) -> Vec<&str> {
    embedded(record, "tags").iter().filter_map(|tag| text_at(tag, "name")).collect()
}

/// The text of a task's result: an object when there is one, `[]` when there is none (§2.6).
pub fn result_text(task: &Value) -> Option<&str> {
    task.get("result").and_then(|result| text_at(result, "text"))
}

/// The customer of a purchase.
pub fn customer_of(snapshot: &Snapshot, purchase: &Value) -> Option<RecordRef> {
    let embedded = purchase.get("_embedded").and_then(|embedded| embedded.get("customer"));
    let parent = part(snapshot, "parent");
    let id = id_at(purchase, "customer_id")
        .or_else(|| embedded.and_then(|customer| id_at(customer, "id")))
        .or_else(|| parent.as_ref().and_then(|parent| id_at(parent, "id")))?;
    Some(RecordRef::new("customers", id))
}

/// The card a note or task hangs on: what the part `parent` says, else what the row does.
pub fn parent_of(snapshot: &Snapshot, row: &Value) -> Option<RecordRef> {
    let parent = part(snapshot, "parent");
    let said = parent.as_ref().and_then(|parent| Some((text_at(parent, "object")?.to_owned(), id_at(parent, "id")?)));
    let (object, id) = said.or_else(|| Some((text_at(row, "entity_type")?.to_owned(), id_at(row, "entity_id")?)))?;
    Some(RecordRef::new(object, id))
}
