//! A person who deletes, restores, edits and merges on the CRM's own screens.

use serde_json::{Value, json};

use super::Reply;
use crate::state::State;
use crate::vendors::amocrm;
use crate::world::base::ADMIN;
use crate::world::happenings::Actor;
use crate::world::kind::Kind;

/// `{object, ids | id, fields, user_id}`; `merge` makes `ids` a part of `id`. Answers which ids it was done to; others were not in a state for it.
pub fn act(state: &State, verb: &str, body: &Value) -> Reply {
    let object = body.get("object").and_then(Value::as_str).ok_or("object names a kind of record, such as contacts")?;
    let ids = ids(body)?;
    let user = body.get("user_id").and_then(number).unwrap_or(ADMIN);
    let mut account = state.account();
    let world = &mut account.world;
    world.actor = Actor { user, request: None, by: "screen" };
    let fields = body.get("fields").cloned().unwrap_or_else(|| json!({}));
    let winner = body.get("id").and_then(number).unwrap_or(0);
    let mut done = Vec::new();
    for id in ids {
        let acted = match (Kind::parse(object), object, verb) {
            (Some(kind), _, "delete") => world.delete_card(kind.of(id)),
            (Some(kind), _, "restore") => world.restore_card(kind.of(id)),
            (Some(kind), _, "merge") => world.merge(kind.of(winner), kind.of(id)),
            (Some(kind), _, _) => amocrm::edit_card(world, kind.of(id), &fields)?,
            (None, "tasks", "delete") => world.delete_task(id),
            (None, "tasks", "restore") => world.restore_task(id),
            (None, "tasks", "edit") => amocrm::edit_task(world, id, &fields)?,
            (None, "transactions", "delete") => world.living_transaction(id).is_some() && world.delete_transaction(id),
            (None, "catalogs", "delete") => amocrm::delete_catalog(world, id),
            (None, "notes", "delete") => world.living_note(id).is_some() && world.delete_note(id),
            (None, "notes", "edit") => amocrm::edit_note(world, id, &fields)?,
            _ => return Err(format!("a person cannot {verb} {object} here")),
        };
        if acted {
            done.push(id.to_string());
        }
    }
    state.settle(&mut account);
    Ok(json!({"object": object, "done": done}))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn ids(body: &Value) -> Result<Vec<u64>, String> {
    let wrong = || "ids is a list of numbers, or id is one".to_owned();
    match (body.get("ids"), body.get("id")) {
        (Some(Value::Array(ids)), _) => ids.iter().map(number).collect::<Option<Vec<u64>>>().ok_or_else(wrong),
        (_, Some(id)) => number(id).map(|id| vec![id]).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}
