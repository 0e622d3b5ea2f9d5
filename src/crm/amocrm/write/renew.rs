//! Old ids inside a body -> the ids of the records that replaced them.

use serde_json::{Value, json};

use crate::crm::Successor;
use crate::crm::amocrm::rows::{id_at, number, text_at};
use crate::domain::record::RecordRef;

/// What a record is called now.
pub fn record(successor: Successor<'_>, record: &RecordRef) -> RecordRef {
    successor(record).unwrap_or_else(|| record.clone())
}

/// The ids in custom fields (`linked_entity`, `chained_list`, `payer`, `supplier`), and of elements of a purchase.
pub fn body(successor: Successor<'_>, body: &mut Value) {
    let fields = body.get_mut("custom_fields_values").and_then(Value::as_array_mut);
    for item in fields.into_iter().flatten().filter_map(|row| row.get_mut("values")?.as_array_mut()).flatten() {
        at(successor, item, "catalog_id", "catalogs");
        at(successor, item, "catalog_element_id", "catalog_elements");
        if let Some(value) = item.get_mut("value").filter(|value| value.get("entity_id").is_some()) {
            // A supplier names no kind: it is always a row of a list (§7).
            let object = match text_at(value, "entity_type") {
                Some("catalogs" | "catalog_elements") | None => "catalog_elements".to_owned(),
                Some(object) => object.to_owned(),
            };
            at(successor, value, "entity_id", &object);
            at(successor, value, "catalog_id", "catalogs");
        }
    }
    let embedded = body.get_mut("_embedded").and_then(|embedded| embedded.get_mut("catalog_elements"));
    for row in embedded.and_then(Value::as_array_mut).into_iter().flatten() {
        at(successor, row, "id", "catalog_elements");
        if let Some(metadata) = row.get_mut("metadata") {
            at(successor, metadata, "catalog_id", "catalogs");
        }
    }
}

/// The catalog in the metadata of a link; `null` where there is nothing to say.
pub fn metadata(successor: Successor<'_>, mut metadata: Value) -> Value {
    if metadata.as_object().is_none_or(serde_json::Map::is_empty) {
        return Value::Null;
    }
    at(successor, &mut metadata, "catalog_id", "catalogs");
    metadata
}

fn at(successor: Successor<'_>, row: &mut Value, key: &str, object: &str) {
    let now = id_at(row, key).and_then(|id| successor(&RecordRef::new(object, id))).and_then(|now| number(&now));
    if let Some(now) = now {
        row[key] = json!(now);
    }
}
