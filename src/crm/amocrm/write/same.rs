//! Which of the rows found are the ones that were sent. Pure.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::jobs::Item;
use crate::crm::amocrm::draft::act::Act;
use crate::crm::amocrm::rows::{CARDS, id_at, result_text, text_at};
use crate::domain::plan::Step;
use crate::domain::record::Snapshot;

/// What was found of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is this record.
    One(u64),
    /// There is none.
    None,
    /// There are several, or it is one of several.
    Unclear,
}

/// For each item, which of the rows it is. Items that look alike are told apart by their time, if the CRM kept it, else
/// they are served in order, and only if there are as many rows as items.
pub fn assign(items: &[Item], rows: &[Value], known: &HashSet<u64>) -> Vec<Found> {
    let mut alike: BTreeMap<String, (Vec<usize>, Vec<&Value>)> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        alike.entry(look_of(&item.body)).or_default().0.push(index);
    }
    for row in rows.iter().filter(|row| id_at(row, "id").is_some_and(|id| !known.contains(&id))) {
        for (looks, group) in &mut alike {
            let sent = &items[group.0[0]].body;
            if *looks == look_of(&as_sent(row, sent)) {
                group.1.push(row);
            }
        }
    }
    let mut found = vec![Found::None; items.len()];
    for (wanted, rows) in alike.into_values() {
        serve(items, &wanted, rows, &mut found);
    }
    let taken: HashSet<u64> =
        found.iter().filter_map(|found| if let Found::One(id) = found { Some(*id) } else { None }).collect();
    let left: Vec<&Value> = rows
        .iter()
        .filter(|row| id_at(row, "id").is_none_or(|id| !known.contains(&id) && !taken.contains(&id)))
        .collect();
    for (item, found) in items.iter().zip(&mut found).filter(|(_, found)| **found == Found::None) {
        if left.iter().any(|row| may_be(item, row)) {
            *found = Found::Unclear;
        }
    }
    found
}

/// Whether a row may be this item after somebody changed it: robots rename and move new deals within seconds. Only
/// what cannot be it lets us say that the item is not there.
pub fn may_be(item: &Item, row: &Value) -> bool {
    let same = |key: &str| item.body.get(key) == row.get(key);
    if keeps_its_time(&item.record.object, &item.body) {
        return same("created_at");
    }
    item.body.get("note_type").is_none() || (same("note_type") && same("entity_id"))
}

/// Whether a record that was deleted may be what this step has made. Its name tells nothing: somebody may have changed it.
pub fn may_have_made(step: &Step, snapshot: &Snapshot) -> bool {
    let act = step.write.as_ref().and_then(|write| serde_json::from_value::<Act>(write.clone()).ok());
    let row = snapshot.part("record").and_then(|part| serde_json::from_slice::<Value>(&part.body).ok());
    let (Some(Act::Create { body, .. } | Act::Task { body, .. }), Some(row)) = (act, row) else { return true };
    !keeps_its_time(&step.record.object, &body) || body.get("created_at") == row.get("created_at")
}

fn serve(items: &[Item], wanted: &[usize], mut rows: Vec<&Value>, found: &mut [Found]) {
    rows.sort_by_key(|row| id_at(row, "id"));
    let mut left = Vec::new();
    let by_time = |at: &Value, rows: &[&Value]| rows.iter().position(|row| row.get("created_at") == Some(at));
    for index in wanted {
        let at = items[*index].body.get("created_at");
        match at.and_then(|at| by_time(at, &rows)) {
            Some(position) => {
                let id = id_at(rows.remove(position), "id");
                found[*index] = id.map_or(Found::Unclear, Found::One);
            }
            None => left.push(*index),
        }
    }
    // More copies than were asked for: nobody can say which is whose.
    if left.is_empty() {
        let too_many = rows.iter().any(|row| {
            wanted
                .iter()
                .any(|index| items[*index].body.get("created_at").is_none_or(|at| row.get("created_at") == Some(at)))
        });
        if too_many {
            for index in wanted {
                found[*index] = Found::Unclear;
            }
        }
        return;
    }
    // Where the time is kept, another time is another record.
    let timed = |index: &usize| keeps_its_time(&items[*index].record.object, &items[*index].body);
    rows.retain(|_| !left.iter().any(timed));
    if rows.len() == left.len() {
        for (index, row) in left.iter().zip(rows) {
            found[*index] = id_at(row, "id").map_or(Found::Unclear, Found::One);
        }
    } else if !rows.is_empty() {
        for index in left {
            found[index] = Found::Unclear;
        }
    }
}

/// Cards and tasks keep it (§10.4); of notes and catalog elements it is not known (§12.8).
fn keeps_its_time(object: &str, body: &Value) -> bool {
    body.get("created_at").is_some() && (CARDS.contains(&object) || object == "tasks")
}

/// What tells one record from another, as text.
fn look_of(body: &Value) -> String {
    let mut looks = json!({"params": body.get("params"), "result": result_text(body)});
    for key in [
        "name",
        "first_name",
        "last_name",
        "price",
        "entity_id",
        "entity_type",
        "note_type",
        "text",
        "complete_till",
        "comment",
        "completed_at",
        "pipeline_id",
    ] {
        looks[key] = body.get(key).filter(|value| !value.is_null()).cloned().unwrap_or_default();
    }
    looks.to_string()
}

/// A row in the shape of what was sent: only the keys that were, in params too.
fn as_sent(row: &Value, sent: &Value) -> Value {
    let mut shown = row.clone();
    let Some(object) = shown.as_object_mut() else { return Value::Null };
    object.retain(|key, _| sent.get(key).is_some());
    if let (Some(params), Some(was)) = (object.get_mut("params").and_then(Value::as_object_mut), sent.get("params")) {
        params.retain(|key, _| was.get(key).is_some());
    }
    if text_at(sent, "name").is_none() {
        object.remove("name");
    }
    shown
}
