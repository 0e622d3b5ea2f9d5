//! Custom fields: which of them still exist, under which id, and their values as they are written (§7).

use serde_json::{Map, Value, json};

use super::drafting::Drafting;
use super::values::{self, Fate};
use crate::crm::amocrm::rows::{holds, id_at, text_at};

/// Adds `custom_fields_values`. `owner` is how the surroundings call this kind of record.
pub fn fields(d: &mut Drafting<'_>, owner: &str, record: &Value, body: &mut Map<String, Value>) {
    let mut written = Vec::new();
    for row in record.get("custom_fields_values").and_then(Value::as_array).into_iter().flatten() {
        let Some(old) = id_at(row, "field_id") else { continue };
        if let Some(row) = field(d, owner, old, row) {
            d.returns(format!("custom_fields_values.{old}"));
            written.push(row);
        }
    }
    if !written.is_empty() {
        body.insert("custom_fields_values".to_owned(), Value::Array(written));
    }
}

fn field(d: &mut Drafting<'_>, owner: &str, old: u64, row: &Value) -> Option<Value> {
    let path = format!("custom_fields_values.{old}");
    let values = row.get("values").and_then(Value::as_array).filter(|values| !values.is_empty())?;
    let known = d.around.fields(owner);
    let now = match known {
        None => None,
        Some(fields) => {
            let Some(field) = same_field(fields, old, row) else {
                d.lose(path, "field_removed", "this field is not in the account any more");
                return None;
            };
            Some(field)
        }
    };
    if now.is_some_and(|field| field.get("is_computed") == Some(&Value::Bool(true))) {
        if values.iter().any(|item| item.get("value").is_some_and(holds)) {
            d.lose(path, "read_only", "the CRM computes this field itself");
        }
        return None;
    }
    let field_type = now.and_then(|field| text_at(field, "type")).or_else(|| text_at(row, "field_type")).unwrap_or("");
    let enums = now.and_then(|field| field.get("enums")).and_then(Value::as_array).map(Vec::as_slice);
    // A field of known choices that lists none has lost them all.
    let enums = if now.is_some() { enums.or(Some(&[])) } else { None };
    let mut kept = Vec::new();
    for item in values {
        match values::written(field_type, item, enums) {
            Fate::Kept(item) => kept.push(item),
            Fate::Less(item) => {
                kept.push(item);
                d.lose(path.clone(), "enum_removed", "the kind of this value is not in the account any more");
            }
            Fate::Empty => {}
            Fate::Gone => d.lose(path.clone(), "enum_removed", "this choice is not in the account any more"),
        }
    }
    let id = now.and_then(|field| id_at(field, "id")).unwrap_or(old);
    (!kept.is_empty()).then(|| json!({"field_id": id, "values": kept}))
}

/// The field of today: by id, else by code, else by name and type (§2.10).
pub fn same_field<'a>(fields: &'a [Value], old: u64, row: &Value) -> Option<&'a Value> {
    let code = text_at(row, "field_code");
    let (name, kind) = (text_at(row, "field_name"), text_at(row, "field_type"));
    let by_id = fields.iter().find(|field| id_at(field, "id") == Some(old));
    let by_code = || fields.iter().find(|field| code.is_some() && text_at(field, "code") == code);
    let by_name = || {
        let same = |field: &&Value| name.is_some() && text_at(field, "name") == name && text_at(field, "type") == kind;
        fields.iter().find(same)
    };
    by_id.or_else(by_code).or_else(by_name)
}
