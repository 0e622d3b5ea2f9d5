//! Routes of custom fields and their groups (§2.10). Deleting a field erases its values in every record.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use super::field_schema::{Draft, owner_path, read, show};
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::World;
use crate::world::fields::{FieldGroup, Owner};

pub fn route(cx: &mut Cx, owner: Owner, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        (_, ["groups", rest @ ..]) => groups(cx, owner, rest),
        ("GET", []) => list(cx, owner),
        ("POST", []) => create(cx, owner),
        ("PATCH", []) => change_many(cx, owner),
        (_, []) => no_method(),
        (method, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            if cx.world.fields.get(owner, id).is_none() {
                return not_found();
            }
            match method {
                "GET" => shown(cx, owner, id, StatusCode::OK),
                "PATCH" => change_one(cx, owner, id),
                "DELETE" => delete(cx, owner, id),
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn shown(cx: &Cx, owner: Owner, id: u64, status: StatusCode) -> Answer {
    match cx.world.fields.get(owner, id) {
        Some(field) => Answer::hal(status, &show(cx, id, field)),
        None => not_found(),
    }
}

fn list(cx: &mut Cx, owner: Owner) -> Answer {
    let types = cx.request.query.words("filter[type]");
    let wanted = |field_type: &str| types.as_ref().is_none_or(|types| types.contains(&field_type));
    let rows = cx.world.fields.of(owner).filter(|(_, field)| wanted(&field.value_type));
    let ids: Vec<u64> = rows.map(|(id, _)| id).collect();
    let answer = cx.page("custom_fields", &ids, |cx, id| Some(show(cx, id, cx.world.fields.get(owner, id)?)));
    if answer.status == StatusCode::NO_CONTENT && cx.request.query.one("page").is_none() {
        return cx.whole("custom_fields", &[]);
    }
    answer
}

fn written(cx: &Cx, owner: Owner, rows: Vec<(String, u64)>) -> Answer {
    let rows = rows.into_iter().filter_map(|(request_id, id)| {
        let mut row = show(cx, id, cx.world.fields.get(owner, id)?);
        row["request_id"] = json!(request_id);
        Some(row)
    });
    cx.written_as(StatusCode::CREATED, "custom_fields", &rows.collect::<Vec<_>>())
}

fn create(cx: &mut Cx, owner: Owner) -> Answer {
    let apply = |world: &mut World, draft: Draft| {
        let id = world.fields.fields.next_id();
        let field = draft.into_field(owner, &mut world.fields.next_enum);
        world.fields.fields.put(id, field);
        world.did(What::Created, "custom_fields", id);
        id
    };
    match batch::write(cx, |_, item| read(owner, true, item), apply) {
        Ok(rows) => written(cx, owner, rows),
        Err(answer) => answer,
    }
}

fn apply_change(world: &mut World, (id, draft): (u64, Draft)) -> u64 {
    let book = &mut world.fields;
    if let Some(field) = book.fields.get_mut(id) {
        draft.apply(field, &mut book.next_enum);
    }
    world.did(What::Changed, "custom_fields", id);
    id
}

fn change_many(cx: &mut Cx, owner: Owner) -> Answer {
    let read_one = |world: &World, item: &Value| {
        let id = item.get("id").and_then(id_number).filter(|id| world.fields.get(owner, *id).is_some());
        let id = id.ok_or_else(|| vec![not_a_choice("id")])?;
        Ok((id, read(owner, false, item)?))
    };
    match batch::write(cx, read_one, apply_change) {
        Ok(rows) => written(cx, owner, rows),
        Err(answer) => answer,
    }
}

fn change_one(cx: &mut Cx, owner: Owner, id: u64) -> Answer {
    let Some(item @ Value::Object(_)) = cx.request.json() else { return rejected(wrong_type("")) };
    match batch::write_items(cx, &[item], |_, item| Ok((id, read(owner, false, item)?)), apply_change) {
        Ok(_) => shown(cx, owner, id, StatusCode::CREATED),
        Err(answer) => answer,
    }
}

fn delete(cx: &mut Cx, owner: Owner, id: u64) -> Answer {
    if cx.world.fields.get(owner, id).is_some_and(|field| field.predefined) {
        return Answer::problem(StatusCode::FORBIDDEN, "Predefined field");
    }
    cx.world.fields.fields.remove(id);
    cx.world.did(What::Deleted, "custom_fields", id);
    cx.world.erase_field_values(owner, id);
    nothing()
}

fn groups(cx: &mut Cx, owner: Owner, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let rows: Vec<Value> =
                cx.world.fields.groups.iter().filter(|g| g.owner == owner).map(|g| show_group(cx, g)).collect();
            cx.whole("custom_field_groups", &rows)
        }
        ("POST", []) => create_groups(cx, owner),
        (_, []) => no_method(),
        (_, [id]) => {
            let found = cx.world.fields.groups.iter().position(|group| group.owner == owner && group.id == **id);
            let Some(index) = found else { return not_found() };
            match method {
                "GET" => Answer::hal(StatusCode::OK, &show_group(cx, &cx.world.fields.groups[index])),
                "PATCH" => {
                    let body = cx.request.json().unwrap_or_default();
                    let Ok(mut item) = Item::read(&body) else { return rejected(wrong_type("")) };
                    let (name, sort) = (item.text("name"), item.number("sort"));
                    let group = &mut cx.world.fields.groups[index];
                    group.name = name.unwrap_or_else(|| group.name.clone());
                    group.sort = sort.unwrap_or(group.sort);
                    let group = group.clone();
                    cx.world.did(What::Changed, "custom_field_groups", &group.id);
                    Answer::hal(StatusCode::OK, &show_group(cx, &group))
                }
                "DELETE" if cx.world.fields.groups[index].predefined => {
                    Answer::problem(StatusCode::FORBIDDEN, "Predefined group")
                }
                "DELETE" => {
                    let group = cx.world.fields.groups.remove(index);
                    cx.world.did(What::Deleted, "custom_field_groups", &group.id);
                    for (_, field) in cx.world.fields.fields.iter_mut() {
                        field.group = field.group.take().filter(|id| *id != group.id);
                    }
                    nothing()
                }
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn show_group(cx: &Cx, group: &FieldGroup) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "is_predefined": group.predefined,
        "type": "base",
        "entity_type": owner_path(group.owner),
        "sort": group.sort,
        "_links": cx.self_link(&format!("/api/v4/{}/custom_fields/groups/{}", owner_path(group.owner), group.id)),
    })
}

fn create_groups(cx: &mut Cx, owner: Owner) -> Answer {
    let read_one = |_: &World, item: &Value| -> Result<(String, i64), Vec<Fault>> {
        let mut item = Item::read(item)?;
        let sort = item.number("sort").unwrap_or(10);
        match item.text("name").filter(|name| !name.is_empty()) {
            Some(name) => item.done((name, sort)),
            None => Err(vec![missing("name")]),
        }
    };
    let apply = |world: &mut World, (name, sort): (String, i64)| {
        // Ids share the fields' counter, which makes them unique: `leads_27450001`.
        let id = format!("{}_{}", owner_path(owner).replace('/', "_"), world.fields.fields.next_id());
        let group = FieldGroup { id: id.clone(), owner, name, sort, predefined: false };
        world.fields.groups.push(group.clone());
        world.did(What::Created, "custom_field_groups", id);
        group
    };
    match batch::write(cx, read_one, apply) {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, group)| {
                let mut row = show_group(cx, &group);
                row["request_id"] = json!(request_id);
                row
            });
            cx.written_as(StatusCode::CREATED, "custom_field_groups", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}
