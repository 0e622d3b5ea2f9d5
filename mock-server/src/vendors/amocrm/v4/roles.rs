//! Roles (§2.12).

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, missing, rejected, rejection, wrong_type};
use crate::world::World;
use crate::world::people::Role;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.roles.iter().map(|(id, _)| id).collect();
            cx.page("roles", &ids, |cx, id| show(cx, id))
        }
        ("POST", []) => create(cx),
        (_, []) => no_method(),
        (_, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            match (method, show(cx, id)) {
                ("GET", None) => nothing(),
                (_, None) => not_found(),
                ("GET", Some(row)) => Answer::hal(StatusCode::OK, &row),
                ("PATCH", _) => change(cx, id),
                ("DELETE", _) => delete(cx, id),
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn show(cx: &Cx, id: u64) -> Option<Value> {
    let role = cx.world.roles.get(id)?;
    let holders = cx.world.users.iter().filter(|(_, user)| user.role == Some(id)).map(|(id, _)| *id);
    Some(json!({
        "id": id,
        "name": role.name,
        "rights": role.rights,
        "_links": cx.self_link(&format!("/api/v4/roles/{id}")),
        "_embedded": {"users": holders.collect::<Vec<u64>>()},
    }))
}

fn read(item: &Value) -> Result<(Option<String>, Option<Value>), Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (name, rights) = (item.text("name"), item.given("rights").cloned());
    item.done((name, rights))
}

fn create(cx: &mut Cx) -> Answer {
    let read_new = |_: &World, item: &Value| match read(item)? {
        (Some(name), rights) if !name.is_empty() => Ok(Role { name, rights: rights.unwrap_or_else(|| json!({})) }),
        _ => Err(vec![missing("name")]),
    };
    let made = batch::write(cx, read_new, |world: &mut World, role| {
        let id = world.roles.next_id();
        world.roles.put(id, role);
        world.did(What::Created, "roles", id);
        id
    });
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id)?;
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written_as(StatusCode::CREATED, "roles", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

fn change(cx: &mut Cx, id: u64) -> Answer {
    let Some(body @ Value::Object(_)) = cx.request.json() else { return rejected(wrong_type("")) };
    let (name, rights) = match read(&body) {
        Ok(read) => read,
        Err(faults) => return rejection(&[("0".to_owned(), faults)]),
    };
    if let Some(role) = cx.world.roles.get_mut(id) {
        role.name = name.unwrap_or_else(|| role.name.clone());
        role.rights = rights.unwrap_or_else(|| role.rights.clone());
    }
    cx.world.did(What::Changed, "roles", id);
    Answer::empty(StatusCode::ACCEPTED)
}

/// Who had it has none.
fn delete(cx: &mut Cx, id: u64) -> Answer {
    cx.world.roles.remove(id);
    for user in cx.world.users.values_mut().filter(|user| user.role == Some(id)) {
        user.role = None;
    }
    cx.world.did(What::Deleted, "roles", id);
    nothing()
}
