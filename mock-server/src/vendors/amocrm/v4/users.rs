//! Users (§2.12): there is no PATCH and no DELETE, only activating and deactivating.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice};
use crate::world::World;
use crate::world::people::User;

/// In one request.
const MOST_NEW: usize = 10;
/// An account with more users gets no new ones through the API.
const MOST_USERS: usize = 100;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.users.keys().copied().collect();
            cx.page("users", &ids, |cx, id| Some(show(cx, id, cx.world.users.get(&id)?)))
        }
        ("POST", []) => create(cx),
        ("POST", ["activate"]) => switch(cx, true),
        ("POST", ["deactivate"]) => switch(cx, false),
        ("GET", [id]) => match id.parse().ok().and_then(|id| Some((id, cx.world.users.get(&id)?))) {
            Some((id, user)) => Answer::hal(StatusCode::OK, &show(cx, id, user)),
            None => nothing(),
        },
        (_, [] | [_]) => no_method(),
        _ => cx.no_route(),
    }
}

fn read(world: &World, item: &Value) -> Result<User, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (name, email) = (item.text("name"), item.text("email"));
    for (key, given) in [("name", &name), ("email", &email)] {
        if given.as_deref().is_none_or(str::is_empty) {
            item.fault(missing(key));
        }
    }
    let rights = item.given("rights");
    let yes = |key: &str| rights.and_then(|rights| rights.get(key)).and_then(Value::as_bool).unwrap_or(false);
    let role = rights.and_then(|rights| rights.get("role_id")).and_then(id_number);
    if role.is_some_and(|id| world.roles.get(id).is_none()) {
        item.fault(not_a_choice("rights.role_id"));
    }
    let user = User {
        name: name.unwrap_or_default(),
        email: email.unwrap_or_default(),
        admin: yes("is_admin"),
        active: true,
        free: yes("is_free"),
        group: 0,
        role,
    };
    item.done(user)
}

fn create(cx: &mut Cx) -> Answer {
    let items = match batch::items(cx) {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    if items.len() > MOST_NEW || cx.world.users.len() > MOST_USERS {
        return Answer::problem(StatusCode::BAD_REQUEST, "Too many users");
    }
    let made = batch::write_items(cx, &items, read, |world, user| {
        let id = world.users.keys().next_back().map_or(71, |last| last + 1);
        world.users.insert(id, user);
        world.did(What::Created, "users", id);
        id
    });
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.users.get(&id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written_as(StatusCode::CREATED, "users", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

fn switch(cx: &mut Cx, active: bool) -> Answer {
    let items = match batch::items(cx) {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    let ids: Vec<u64> = items.iter().filter_map(|item| item.get("id").and_then(id_number)).collect();
    if ids.is_empty() || ids.len() > MOST_NEW || ids.iter().any(|id| !cx.world.users.contains_key(id)) {
        return not_found();
    }
    for id in ids {
        if let Some(user) = cx.world.users.get_mut(&id) {
            user.active = active;
        }
        cx.world.did(What::Changed, "users", id);
    }
    nothing()
}

fn show(cx: &Cx, id: u64, user: &User) -> Value {
    let letters = |all: bool| {
        let letter = if all { "A" } else { "G" };
        json!({"view": "A", "edit": letter, "add": "A", "delete": if all { "A" } else { "M" }, "export": letter})
    };
    let rights = json!({
        "leads": letters(user.admin),
        "contacts": letters(user.admin),
        "companies": letters(user.admin),
        "tasks": {"edit": if user.admin { "A" } else { "G" }, "delete": if user.admin { "A" } else { "M" }},
        "mail_access": user.admin,
        "catalog_access": true,
        "files_access": true,
        "status_rights": [],
        "is_admin": user.admin,
        "is_free": user.free,
        "is_active": user.active,
        "group_id": user.group,
        "role_id": user.role,
    });
    let asks = |word: &str| cx.request.query.asks_with(word);
    let role = user.role.and_then(|id| Some(json!({"id": id, "name": cx.world.roles.get(id)?.name})));
    let mut row = json!({
        "id": id,
        "name": user.name,
        "email": user.email,
        "lang": "ru",
        "rights": rights,
        "_links": cx.self_link(&format!("/api/v4/users/{id}")),
        "_embedded": {
            "roles": role.into_iter().collect::<Vec<Value>>(),
            "groups": [{"id": user.group, "name": "Отдел продаж"}],
        },
    });
    for (word, value) in [
        ("uuid", json!(crate::uuids::of_name(&user.email))),
        ("amojo_id", json!(crate::uuids::of_name(&format!("amojo {}", user.email)))),
        ("user_rank", Value::Null),
        ("phone_number", Value::Null),
    ] {
        if asks(word) {
            row[word] = value;
        }
    }
    row
}
