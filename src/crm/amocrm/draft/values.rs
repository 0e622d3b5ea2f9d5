//! One value of a custom field, from the shape it is read in to the shape it is written in (§7).

use serde_json::{Map, Value, json};

use crate::crm::amocrm::rows::{id_at, text_at, without_nulls};

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is written so.
    Kept(Value),
    /// It is written so, without its kind (a phone that was `WORK`).
    Less(Value),
    /// It held nothing.
    Empty,
    /// Its choice is gone.
    Gone,
}

/// Sub-values of an invoice line that the CRM computes (§7).
pub const COMPUTED_OF_LINE: [&str; 3] = ["is_discount_recalculated", "is_total_sum_recalculated", "total_sum"];

/// How an item of `values` is written. `enums` are the field's choices; `None`: not known.
pub fn written(field_type: &str, item: &Value, enums: Option<&[Value]>) -> Fate {
    let value = item.get("value").filter(|value| !value.is_null());
    match field_type {
        "select" | "radiobutton" | "multiselect" | "category" => choice(item, value, enums),
        "multitext" => kind_of_text(item, value, enums),
        // No `value` key here. Ids of elements are renewed when it is written.
        "chained_list" => match (id_at(item, "catalog_id"), id_at(item, "catalog_element_id")) {
            (Some(catalog), Some(element)) => Fate::Kept(json!({"catalog_id": catalog, "catalog_element_id": element})),
            _ => Fate::Empty,
        },
        "smart_address" => match (value, item.get("enum_id"), item.get("enum_code")) {
            (Some(value), Some(id), _) if !id.is_null() => Fate::Kept(json!({"value": value, "enum_id": id})),
            (Some(value), _, Some(code)) if !code.is_null() => Fate::Kept(json!({"value": value, "enum_code": code})),
            _ => Fate::Empty,
        },
        "items" => object(value, |line| line.retain(|key, _| !COMPUTED_OF_LINE.contains(&key.as_str()))),
        "file" => object(value, |file| {
            file.retain(|key, _| matches!(key.as_str(), "file_uuid" | "version_uuid" | "file_name" | "file_size"));
        }),
        "legal_entity" | "payer" | "supplier" | "linked_entity" => object(value, |_| {}),
        _ => value.map_or(Fate::Empty, |value| Fate::Kept(json!({"value": value}))),
    }
}

/// The object without nulls, and without what `edit` takes away.
fn object(value: Option<&Value>, edit: impl FnOnce(&mut Map<String, Value>)) -> Fate {
    let Some(Value::Object(object)) = value else { return Fate::Empty };
    let mut object = without_nulls(object);
    edit(&mut object);
    if object.is_empty() { Fate::Empty } else { Fate::Kept(json!({"value": object})) }
}

/// By id, else by its text.
fn choice(item: &Value, value: Option<&Value>, enums: Option<&[Value]>) -> Fate {
    let id = id_at(item, "enum_id");
    if id.is_none() && value.is_none() {
        return Fate::Empty;
    }
    let Some(enums) = enums else {
        return Fate::Kept(id.map_or_else(|| json!({"value": value}), |id| json!({"enum_id": id})));
    };
    let by_id = id.filter(|id| enums.iter().any(|choice| id_at(choice, "id") == Some(*id)));
    let by_text = || enums.iter().find(|choice| value.is_some() && choice.get("value") == value);
    match by_id.or_else(|| by_text().and_then(|choice| id_at(choice, "id"))) {
        Some(id) => Fate::Kept(json!({"enum_id": id})),
        None => Fate::Gone,
    }
}

/// A phone or address with its kind by code.
fn kind_of_text(item: &Value, value: Option<&Value>, enums: Option<&[Value]>) -> Fate {
    let Some(value) = value else { return Fate::Empty };
    let (code, id) = (text_at(item, "enum_code"), id_at(item, "enum_id"));
    let listed = |code: &str| {
        enums.is_none_or(|enums| {
            enums.iter().any(|kind| text_at(kind, "code") == Some(code) || text_at(kind, "value") == Some(code))
        })
    };
    match (code, id) {
        (Some(code), _) if listed(code) => Fate::Kept(json!({"value": value, "enum_code": code})),
        (None, None) => Fate::Kept(json!({"value": value})),
        (None, Some(id)) if enums.is_none_or(|enums| enums.iter().any(|kind| id_at(kind, "id") == Some(id))) => {
            Fate::Kept(json!({"value": value, "enum_id": id}))
        }
        _ => Fate::Less(json!({"value": value})),
    }
}
