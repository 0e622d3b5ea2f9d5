//! Custom fields, value by value.

use serde_json::{Value, json};

use super::sheet::Sheet;
use crate::crm::Successor;
use crate::crm::amocrm::draft::fields::same_field;
use crate::crm::amocrm::draft::values::COMPUTED_OF_LINE;
use crate::crm::amocrm::rows::{id_at, text_at, without_nulls};
use crate::domain::record::RecordRef;

/// Compares the fields that were filled, then those that are filled now and were not.
pub fn fields(sheet: &mut Sheet<'_>, was: &Value, is: &Value, successor: Successor<'_>) {
    let (old, new) = (filled(was), filled(is));
    // `same_field` looks for the names a field has in the set-up.
    let listed: Vec<Value> = new
        .iter()
        .map(|row| {
            json!({"id": row.get("field_id"), "code": row.get("field_code"), "name": row.get("field_name"),
                "type": row.get("field_type")})
        })
        .collect();
    let mut met = vec![false; new.len()];
    for row in old {
        let Some(id) = id_at(row, "field_id") else { continue };
        let field = format!("custom_fields_values.{id}");
        let found = same_field(&listed, id, row).and_then(|found| listed.iter().position(|one| one == found));
        if let Some(position) = found {
            met[position] = true;
        }
        let before = values(row, |record| successor(record));
        let after = found.map(|position| values(new[position], |_| None)).unwrap_or_default();
        if before != after {
            sheet.differ(&field, &json!(before), &json!(after));
        }
    }
    for (row, _) in new.iter().zip(met).filter(|(_, met)| !met) {
        if let Some(id) = id_at(row, "field_id") {
            sheet.differ(&format!("custom_fields_values.{id}"), &Value::Null, &json!(values(row, |_| None)));
        }
    }
}

fn filled(record: &Value) -> Vec<&Value> {
    let rows = record.get("custom_fields_values").and_then(Value::as_array);
    let has = |row: &&Value| row.get("values").and_then(Value::as_array).is_some_and(|values| !values.is_empty());
    rows.into_iter().flatten().filter(has).collect()
}

/// The values in a shape that does not depend on ids of choices, in an order of its own.
fn values(row: &Value, now: impl Fn(&RecordRef) -> Option<RecordRef>) -> Vec<Value> {
    let kind = text_at(row, "field_type").unwrap_or("");
    let items = row.get("values").and_then(Value::as_array);
    let mut values: Vec<Value> = items.into_iter().flatten().map(|item| value(kind, item, &now)).collect();
    values.retain(|value| !value.is_null());
    values.sort_by_cached_key(Value::to_string);
    values
}

fn value(kind: &str, item: &Value, now: &dyn Fn(&RecordRef) -> Option<RecordRef>) -> Value {
    let renewed =
        |object: &str, id: u64| now(&RecordRef::new(object, id)).map_or_else(|| id.to_string(), |record| record.id);
    let value = item.get("value").cloned().unwrap_or_default();
    match kind {
        "multitext" => json!([value, item.get("enum_code")]),
        "smart_address" => json!([item.get("enum_id").or_else(|| item.get("enum_code")), value]),
        "chained_list" => match (id_at(item, "catalog_id"), id_at(item, "catalog_element_id")) {
            (Some(catalog), Some(element)) => {
                json!([renewed("catalogs", catalog), renewed("catalog_elements", element)])
            }
            _ => Value::Null,
        },
        "numeric" | "monetary" | "price" => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.trim().parse::<f64>().map_or(value, |number| json!(number))
        }
        "file" => value.get("file_uuid").cloned().unwrap_or_default(),
        _ => match value {
            Value::Object(object) => {
                let mut object = without_nulls(&object);
                object.retain(|key, _| !COMPUTED_OF_LINE.contains(&key.as_str()));
                if let Some(id) = object.get("entity_id").and_then(crate::crm::amocrm::rows::id) {
                    let word = object.get("entity_type").and_then(Value::as_str).unwrap_or("catalog_elements");
                    let word = if word == "catalogs" { "catalog_elements" } else { word };
                    object.insert("entity_id".to_owned(), json!(renewed(word, id)));
                }
                Value::Object(object)
            }
            value => value,
        },
    }
}
