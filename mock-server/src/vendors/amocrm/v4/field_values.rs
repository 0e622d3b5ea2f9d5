//! Values of custom fields: what each type accepts and how it is kept (§7). They are kept as reading shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, whole_number, wrong_type};
use crate::world::World;
use crate::world::cards::FieldsPatch;
use crate::world::fields::{Field, Owner};
use crate::world::kind::Kind;

/// The parts of a `smart_address`: code and number.
const ADDRESS_PARTS: [(&str, u64); 6] =
    [("address_line_1", 1), ("address_line_2", 2), ("city", 3), ("state", 4), ("zip", 5), ("country", 6)];

/// Reads `custom_fields_values` of an item.
pub fn read(world: &World, owner: Owner, item: &mut Item) -> FieldsPatch {
    let rows = match item.raw("custom_fields_values") {
        None => return FieldsPatch::Keep,
        Some(Value::Null) => return FieldsPatch::ClearAll,
        Some(Value::Array(rows)) => rows,
        Some(_) => {
            item.fault(wrong_type("custom_fields_values"));
            return FieldsPatch::Keep;
        }
    };
    let mut changes = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let path = format!("custom_fields_values.{index}");
        match read_field(world, owner, row, &path) {
            Ok(Some(change)) => changes.push(change),
            Ok(None) => {}
            Err(fault) => item.fault(fault),
        }
    }
    FieldsPatch::Set(changes)
}

/// A field and its new values; `None` clears it.
type FieldChange = (u64, Option<Box<str>>);

/// `None` for a computed field, whose values are ignored in silence.
fn read_field(world: &World, owner: Owner, row: &Value, path: &str) -> Result<Option<FieldChange>, Fault> {
    let by_id = row.get("field_id").filter(|id| !id.is_null());
    let id = match (by_id, row.get("field_code").and_then(Value::as_str)) {
        (Some(id), _) => id_number(id).ok_or_else(|| not_a_choice(format!("{path}.field_id")))?,
        (None, Some(code)) => {
            world.fields.by_code(owner, code).ok_or_else(|| not_a_choice(format!("{path}.field_code")))?
        }
        (None, None) => return Err(missing(format!("{path}.field_id"))),
    };
    let field = world.fields.get(owner, id).ok_or_else(|| not_a_choice(format!("{path}.field_id")))?;
    if field.computed {
        return Ok(None);
    }
    let path = format!("{path}.values");
    match row.get("values") {
        Some(Value::Null) => Ok(Some((id, None))),
        // An empty array is not a way to clear.
        Some(Value::Array(items)) if !items.is_empty() => {
            let mut kept = Vec::new();
            for (index, item) in items.iter().enumerate() {
                kept.push(read_value(world, field, item, &format!("{path}.{index}"))?);
            }
            if !takes_many(&field.value_type) {
                kept.truncate(1);
            }
            Ok(Some((id, Some(Value::Array(kept).to_string().into()))))
        }
        Some(_) => Err(wrong_type(path)),
        None => Err(missing(path)),
    }
}

fn takes_many(field_type: &str) -> bool {
    matches!(
        field_type,
        "multiselect" | "multitext" | "smart_address" | "items" | "linked_entity" | "chained_list" | "category"
    )
}

fn read_value(world: &World, field: &Field, item: &Value, path: &str) -> Result<Value, Fault> {
    let value_path = || format!("{path}.value");
    let value = item.get("value").filter(|value| !value.is_null());
    let present = || value.ok_or_else(|| missing(value_path()));
    let kept = match field.value_type.as_str() {
        "checkbox" => match present()? {
            Value::Bool(yes) => json!({"value": yes}),
            Value::Number(number) => json!({"value": number.as_i64() != Some(0)}),
            Value::String(text) => json!({"value": matches!(text.as_str(), "1" | "true" | "Y")}),
            _ => return Err(wrong_type(value_path())),
        },
        "date" | "date_time" | "birthday" => {
            let at = moment(present()?).ok_or_else(|| wrong_type(value_path()))?;
            json!({"value": at})
        }
        "numeric" | "monetary" | "price" => {
            let text = plain_text(present()?).ok_or_else(|| wrong_type(value_path()))?;
            if text.trim().parse::<f64>().is_err() {
                return Err(wrong_type(value_path()));
            }
            json!({"value": text.trim()})
        }
        "select" | "radiobutton" | "multiselect" | "category" => choice(field, item, path)?,
        "multitext" => multitext(field, item, present()?, path)?,
        "smart_address" => address_part(item, present()?, path)?,
        "chained_list" => chained(world, item, path)?,
        "legal_entity" => {
            let value = present()?;
            if value.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(missing(format!("{path}.value.name")));
            }
            json!({"value": value})
        }
        "file" => {
            let value = present()?;
            if value.get("file_uuid").and_then(Value::as_str).is_none_or(|uuid| !world.file_usable(uuid)) {
                return Err(not_a_choice(format!("{path}.value.file_uuid")));
            }
            json!({"value": value})
        }
        "linked_entity" => linked(world, present()?, path)?,
        "supplier" => {
            let value = present()?;
            let id = value.get("entity_id").and_then(id_number);
            if id.is_none_or(|id| world.alive(Kind::CatalogElements.of(id)).is_none()) {
                return Err(not_a_choice(format!("{path}.value.entity_id")));
            }
            json!({"value": value})
        }
        "items" => json!({"value": invoice_line(present()?, path)?}),
        "payer" => {
            let value = present()?;
            if !value.is_object() {
                return Err(wrong_type(value_path()));
            }
            json!({"value": value})
        }
        _ => json!({"value": plain_text(present()?).ok_or_else(|| wrong_type(value_path()))?}),
    };
    Ok(kept)
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// Unix seconds, or RFC 3339.
fn moment(value: &Value) -> Option<i64> {
    whole_number(value).or_else(|| Some(value.as_str()?.parse::<Timestamp>().ok()?.as_second()))
}

fn choice(field: &Field, item: &Value, path: &str) -> Result<Value, Fault> {
    let given = |key: &str| item.get(key).filter(|value| !value.is_null());
    let found = if let Some(id) = given("enum_id") {
        id_number(id).and_then(|id| field.choice(id)).ok_or("enum_id")
    } else if let Some(code) = given("enum_code") {
        field.enums.iter().find(|choice| choice.code.as_deref() == code.as_str()).ok_or("enum_code")
    } else {
        let text = given("value").and_then(plain_text);
        field.enums.iter().find(|choice| Some(&choice.value) == text.as_ref()).ok_or("value")
    };
    let choice = found.map_err(|key| not_a_choice(format!("{path}.{key}")))?;
    Ok(json!({"value": choice.value, "enum_id": choice.id, "enum_code": choice.code}))
}

fn multitext(field: &Field, item: &Value, value: &Value, path: &str) -> Result<Value, Fault> {
    let text = plain_text(value).ok_or_else(|| wrong_type(format!("{path}.value")))?;
    let given = |key: &str| item.get(key).filter(|value| !value.is_null());
    let found = if let Some(id) = given("enum_id") {
        id_number(id).and_then(|id| field.choice(id)).ok_or("enum_id")
    } else if let Some(code) = given("enum_code") {
        field.enums.iter().find(|choice| choice.code.as_deref() == code.as_str()).ok_or("enum_code")
    } else {
        field.enums.first().ok_or("enum_code")
    };
    let choice = found.map_err(|key| not_a_choice(format!("{path}.{key}")))?;
    Ok(json!({"value": text, "enum_id": choice.id, "enum_code": choice.code}))
}

fn address_part(item: &Value, value: &Value, path: &str) -> Result<Value, Fault> {
    let text = plain_text(value).ok_or_else(|| wrong_type(format!("{path}.value")))?;
    let id = item.get("enum_id").and_then(id_number);
    let code = item.get("enum_code").and_then(Value::as_str);
    let part = ADDRESS_PARTS.into_iter().find(|(name, number)| id.map_or(code == Some(*name), |id| id == *number));
    let (code, id) = part.ok_or_else(|| not_a_choice(format!("{path}.enum_id")))?;
    Ok(json!({"value": text, "enum_id": id, "enum_code": code}))
}

fn chained(world: &World, item: &Value, path: &str) -> Result<Value, Fault> {
    let id = |key: &str| item.get(key).and_then(id_number);
    let (catalog, element) = (id("catalog_id"), id("catalog_element_id"));
    let alive =
        element.and_then(|id| world.alive(Kind::CatalogElements.of(id))).and_then(crate::world::card::Card::catalog);
    if alive.is_none() || alive != catalog {
        return Err(not_a_choice(format!("{path}.catalog_element_id")));
    }
    Ok(json!({"catalog_id": catalog, "catalog_element_id": element}))
}

fn linked(world: &World, value: &Value, path: &str) -> Result<Value, Fault> {
    let id = value.get("entity_id").and_then(id_number);
    let kind = value.get("entity_type").and_then(Value::as_str).and_then(Kind::parse);
    match (kind, id) {
        (Some(kind), Some(id)) if world.alive(kind.of(id)).is_some() => Ok(json!({"value": value})),
        _ => Err(not_a_choice(format!("{path}.value.entity_id"))),
    }
}

/// A line of an invoice, with the sum that amoCRM computes.
fn invoice_line(value: &Value, path: &str) -> Result<Value, Fault> {
    let mut line = value.as_object().ok_or_else(|| wrong_type(format!("{path}.value")))?.clone();
    let number = |key: &str| value.get(key).and_then(|number| plain_text(number)?.parse::<f64>().ok());
    let full = number("unit_price").unwrap_or(0.0) * number("quantity").unwrap_or(1.0);
    let discount = value.get("discount");
    let off = discount.and_then(|d| plain_text(d.get("value")?)?.parse::<f64>().ok()).unwrap_or(0.0);
    let percentage = discount.and_then(|d| d.get("type")).and_then(Value::as_str) == Some("percentage");
    let off = if percentage { full * off / 100.0 } else { off };
    line.insert("is_discount_recalculated".into(), json!(false));
    line.insert("is_total_sum_recalculated".into(), json!(true));
    line.insert("total_sum".into(), super::card_show::quantity(full - off));
    Ok(Value::Object(line))
}
