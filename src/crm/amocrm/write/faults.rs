//! Validation errors (§1.6), and a body without what they name (§7).

use serde_json::Value;

use super::jobs::Item;
use crate::crm::amocrm::rows::{LOST, WON, id_at, text_at};
use crate::domain::restore::Loss;

/// One error of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As the CRM calls it: `NotSupportedChoice`.
    pub code: String,
    /// Where, within the item: `custom_fields_values.0.field_id`.
    pub path: String,
}

/// The errors by `request_id`.
pub fn faults(body: &Value) -> Vec<(String, Vec<Fault>)> {
    let items = body.get("validation-errors").and_then(Value::as_array);
    let one = |fault: &Value| Fault {
        code: text_at(fault, "code").unwrap_or("refused").to_owned(),
        path: text_at(fault, "path").unwrap_or("").to_owned(),
    };
    let of = |item: &Value| {
        let errors = item.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let name = match item.get("request_id")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((name, errors.iter().map(one).collect()))
    };
    items.into_iter().flatten().filter_map(of).collect()
}

/// What was wrong, without any value: values are personal data.
pub fn words(faults: &[Fault]) -> String {
    let words: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.path, fault.code)).collect();
    if words.is_empty() { "the CRM did not say what is wrong".to_owned() } else { words.join(", ") }
}

/// Fields without which the record would not be what it was.
const NEEDED: [&str; 7] = ["entity_id", "entity_type", "note_type", "text", "complete_till", "name", "request_id"];

/// Leaves out what the errors name. `false`: nothing can be left out, the record cannot be made.
pub fn leave_out(item: &mut Item, faults: &[Fault]) -> bool {
    item.repairs += 1;
    let mut faults: Vec<&Fault> = faults.iter().collect();
    // From the back, so that the positions before stay what they were.
    faults.sort_by_key(|fault| std::cmp::Reverse(positions(&fault.path)));
    faults.dedup_by_key(|fault| fault.path.clone());
    !faults.is_empty() && faults.into_iter().all(|fault| leave_one_out(item, fault))
}

fn positions(path: &str) -> Vec<usize> {
    path.split('.').filter_map(|word| word.parse().ok()).collect()
}

fn leave_one_out(item: &mut Item, fault: &Fault) -> bool {
    let words: Vec<&str> = fault.path.split('.').collect();
    match words.as_slice() {
        ["custom_fields_values", position, rest @ ..] => leave_field_out(item, position, rest),
        ["_embedded", list, position, ..] => {
            let rows = item.body.get_mut("_embedded").and_then(|embedded| embedded.get_mut(*list));
            let (Some(Value::Array(rows)), Ok(position)) = (rows, position.parse::<usize>()) else { return false };
            if position < rows.len() {
                rows.remove(position);
            }
            lose(item, list, "refused");
            true
        }
        ["params", key, ..] if !["text", "file_uuid", "duration", "phone", "service", "status"].contains(key) => {
            let removed = item.body.get_mut("params").and_then(Value::as_object_mut).and_then(|p| p.remove(*key));
            lose(item, &fault.path, "refused");
            removed.is_some()
        }
        ["status_id", ..] if close_later(item) => true,
        ["pipeline_id", ..] => {
            for key in ["status_id", "closed_at", "loss_reason_id"] {
                remove(item, key);
            }
            remove(item, "pipeline_id").is_some() && {
                lose(item, "pipeline_id", "pipeline_removed");
                lose(item, "status_id", "status_removed");
                true
            }
        }
        [key, ..] if !NEEDED.contains(key) && remove(item, key).is_some() => {
            let reason = match *key {
                "created_by" | "responsible_user_id" => "user_inactive",
                "status_id" => "status_removed",
                "loss_reason_id" => "loss_reason_removed",
                "task_type_id" => "task_type_removed",
                _ => "refused",
            };
            lose(item, key, reason);
            true
        }
        _ => false,
    }
}

/// §2.1 [I]: some accounts refuse to make a deal that is lost at once. It is made open and closed afterwards.
fn close_later(item: &mut Item) -> bool {
    if item.then.is_some() || !matches!(id_at(&item.body, "status_id"), Some(WON | LOST)) {
        return false;
    }
    let mut then = serde_json::json!({});
    if let Some(pipeline) = item.body.get("pipeline_id") {
        then["pipeline_id"] = pipeline.clone();
    }
    for key in ["status_id", "closed_at", "loss_reason_id"] {
        if let Some(value) = remove(item, key) {
            then[key] = value;
        }
    }
    if let Some(stage) = item.open_stage {
        item.body["status_id"] = stage.into();
    }
    item.then = Some(then);
    true
}

fn leave_field_out(item: &mut Item, position: &str, rest: &[&str]) -> bool {
    let fields = item.body.get_mut("custom_fields_values").and_then(Value::as_array_mut);
    let (Some(fields), Ok(position)) = (fields, position.parse::<usize>()) else { return false };
    let Some(row) = fields.get_mut(position) else { return false };
    let field = id_at(row, "field_id").map(|id| id.to_string()).unwrap_or_default();
    let reason = match rest.last() {
        Some(&"field_id" | &"field_code") | None => "field_removed",
        Some(&"enum_id" | &"enum_code") => "enum_removed",
        Some(&"entity_id" | &"catalog_element_id") => "link_end_gone",
        Some(_) => "refused",
    };
    let values = row.get_mut("values").and_then(Value::as_array_mut);
    match (rest, values) {
        (["values", one, ..], Some(values)) if values.len() > 1 => {
            let Ok(one) = one.parse::<usize>() else { return false };
            if one < values.len() {
                values.remove(one);
            }
        }
        _ => {
            fields.remove(position);
        }
    }
    if fields.is_empty() {
        remove(item, "custom_fields_values");
    }
    lose(item, &format!("custom_fields_values.{field}"), reason);
    true
}

fn remove(item: &mut Item, key: &str) -> Option<Value> {
    item.body.as_object_mut().and_then(|body| body.remove(key))
}

fn lose(item: &mut Item, field: &str, reason: &str) {
    let detail = "the CRM refused this part; the rest was made without it".to_owned();
    item.losses.push(Loss { record: item.record.clone(), field: field.to_owned(), reason: reason.to_owned(), detail });
}
