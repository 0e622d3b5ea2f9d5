//! Notes, tasks, purchases and files: what hung on the record and has to be found again. What came in addition (the
//! CRM writes notes of its own) is no difference.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::sheet::{Sheet, alike};
use crate::crm::amocrm::draft::notes::writable;
use crate::crm::amocrm::rows::{self, id_at, result_text, text_at};
use crate::domain::record::Snapshot;

/// Everything.
pub fn hanging(sheet: &mut Sheet<'_>, was: &Snapshot, is: &Snapshot) {
    for (part, shape) in
        [("notes", note_shape as fn(&Value) -> Value), ("tasks", task_shape), ("transactions", purchase_shape)]
    {
        found_again(sheet, part, &rows::rows(was, part), &rows::rows(is, part), shape);
    }
    let uuids = |snapshot: &Snapshot| -> BTreeSet<String> {
        rows::rows(snapshot, "files").iter().filter_map(|file| text_at(file, "file_uuid").map(str::to_owned)).collect()
    };
    let (old, new) = (uuids(was), uuids(is));
    if !old.is_subset(&new) {
        sheet.differ("files", &json!(old), &json!(new));
    }
}

/// A note that was deleted by itself.
pub fn note(sheet: &mut Sheet<'_>, was: &Value, is: &Value) {
    if sheet.is_lost("note_type") {
        return;
    }
    let (old, new) = (note_shape(was), note_shape(is));
    for field in ["note_type", "params", "created_at"] {
        sheet.same(field, old.get(field), new.get(field));
    }
    sheet.same("created_by", was.get("created_by"), is.get("created_by"));
}

/// A task that was deleted by itself.
pub fn task(sheet: &mut Sheet<'_>, was: &Value, is: &Value) {
    let (old, new) = (task_shape(was), task_shape(is));
    for field in ["text", "complete_till", "task_type_id", "is_completed", "result", "created_at"] {
        sheet.same(field, old.get(field), new.get(field));
    }
    for field in ["created_by", "responsible_user_id"] {
        sheet.same(field, was.get(field), is.get(field));
    }
}

/// A purchase that was deleted by itself.
pub fn purchase(sheet: &mut Sheet<'_>, was: &Value, is: &Value) {
    let (old, new) = (purchase_shape(was), purchase_shape(is));
    for field in ["price", "comment", "completed_at"] {
        sheet.same(field, old.get(field), new.get(field));
    }
}

fn note_shape(row: &Value) -> Value {
    let params = writable(row).or_else(|| row.get("params").cloned());
    json!({"note_type": row.get("note_type"), "params": params, "created_at": row.get("created_at")})
}

fn task_shape(row: &Value) -> Value {
    json!({"text": row.get("text"), "complete_till": row.get("complete_till"), "task_type_id": row.get("task_type_id"),
        "is_completed": row.get("is_completed"), "result": result_text(row), "created_at": row.get("created_at")})
}

fn purchase_shape(row: &Value) -> Value {
    json!({"price": row.get("price"), "comment": row.get("comment"), "completed_at": row.get("completed_at")})
}

/// As multisets: first those that are quite the same, then those with another time, then what is missing.
fn found_again(sheet: &mut Sheet<'_>, part: &str, was: &[Value], is: &[Value], shape: fn(&Value) -> Value) {
    let mut now: Vec<Value> = is.iter().map(shape).collect();
    let mut missing = Vec::new();
    for row in was {
        let Some(id) = id_at(row, "id") else { continue };
        let old = shape(row);
        match now.iter().position(|new| *new == old) {
            Some(position) => {
                now.swap_remove(position);
            }
            None => missing.push((id, old)),
        }
    }
    for (id, old) in missing {
        if sheet.hanging_is_lost(part, id) {
            continue;
        }
        let nearly = now.iter().position(|new| differing(&old, new).len() <= 1);
        match nearly {
            Some(position) => {
                let new = now.swap_remove(position);
                for key in differing(&old, &new) {
                    sheet.differ(&format!("{part}.{id}.{key}"), &old[&key], &new[&key]);
                }
            }
            None => sheet.differ(&format!("{part}.{id}"), &old, &Value::Null),
        }
    }
}

fn differing(old: &Value, new: &Value) -> Vec<String> {
    let keys = old.as_object().into_iter().flatten();
    keys.filter(|(key, value)| !alike(value, new.get(key.as_str()).unwrap_or(&Value::Null)))
        .map(|(key, _)| key.clone())
        .collect()
}
