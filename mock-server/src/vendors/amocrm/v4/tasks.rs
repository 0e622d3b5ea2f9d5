//! Tasks (§2.6). There is no delete here: `Invalid scope`.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::query::Query;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::kind::{Kind, Ref};
use crate::world::timeline::Task;
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => list(cx),
        ("POST", []) => create(cx),
        ("PATCH", []) => change(cx, None),
        (_, []) => no_method(),
        (method, [id]) => match (method, id.parse()) {
            ("GET", Ok(id)) => one(cx, id),
            ("PATCH", Ok(id)) => change(cx, Some(id)),
            ("DELETE", Ok(_)) => Answer::problem(StatusCode::FORBIDDEN, "Invalid scope"),
            (_, Ok(_)) => no_method(),
            (_, Err(_)) => cx.no_route(),
        },
        _ => cx.no_route(),
    }
}

fn show(cx: &Cx, id: u64, task: &Task) -> Value {
    let result = match &task.result {
        Some(text) => json!({"text": &**text}),
        None => json!([]),
    };
    json!({
        "id": id,
        "created_by": task.created_by,
        "updated_by": task.updated_by,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "responsible_user_id": task.responsible,
        "group_id": cx.world.users.get(&task.responsible).map_or(0, |user| user.group),
        "entity_id": task.of.map(|of| of.id),
        "entity_type": task.of.map(|of| of.kind.word()),
        "duration": task.duration,
        "is_completed": task.completed,
        "task_type_id": task.type_id,
        "text": &*task.text,
        "result": result,
        "complete_till": task.complete_till,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/tasks/{id}")),
    })
}

fn list(cx: &mut Cx) -> Answer {
    let ids = cx.ordered(|cx| ordered(cx.world, &cx.request.query));
    cx.page("tasks", &ids, |cx, id| Some(show(cx, id, cx.world.tasks.get(id)?)))
}

fn ordered(world: &World, query: &Query) -> Vec<u64> {
    let ids_of = |name: &str| -> Option<Vec<u64>> {
        query.numbers(name).map(|ids| ids.into_iter().filter_map(|id| u64::try_from(id).ok()).collect())
    };
    let (ids, users) = (ids_of("filter[id]"), ids_of("filter[responsible_user_id]"));
    let types = ids_of("filter[task_type]").or_else(|| ids_of("filter[task_type_id]"));
    let completed = query.one("filter[is_completed]").map(|text| text == "1" || text == "true");
    let kinds: Option<Vec<Kind>> = query
        .words("filter[entity_type]")
        .map(|words| words.into_iter().filter_map(Kind::card).collect::<Vec<Kind>>())
        .filter(|kinds| !kinds.is_empty());
    // Ids mean nothing without the kind they belong to, and are then ignored.
    let parents: Option<Vec<Ref>> = match (&kinds, ids_of("filter[entity_id]")) {
        (Some(kinds), Some(ids)) => Some(kinds.iter().flat_map(|kind| ids.iter().map(|id| kind.of(*id))).collect()),
        _ => None,
    };
    let updated = query.range("filter[updated_at]");
    let among = |list: &Option<Vec<u64>>, value: u64| list.as_ref().is_none_or(|list| list.contains(&value));
    let holds = |id: u64, task: &Task| {
        among(&ids, id)
            && among(&users, task.responsible)
            && among(&types, task.type_id)
            && completed.is_none_or(|wanted| task.completed == wanted)
            && kinds.as_ref().is_none_or(|kinds| task.of.is_some_and(|of| kinds.contains(&of.kind)))
            && parents.as_ref().is_none_or(|parents| task.of.is_some_and(|of| parents.contains(&of)))
            && updated.is_none_or(|range| range.holds(task.updated_at))
            && world.living_task(id).is_some()
            && world.indexed("tasks", id)
    };
    let mut rows: Vec<(u64, &Task)> = match (&ids, &parents) {
        (Some(ids), _) => ids.iter().filter_map(|id| Some((*id, world.tasks.get(*id)?))).collect(),
        (None, Some(parents)) => {
            let ids = parents.iter().flat_map(|of| world.tasks_of(*of));
            ids.filter_map(|id| Some((*id, world.tasks.get(*id)?))).collect()
        }
        (None, None) => world.tasks.iter().collect(),
    };
    rows.retain(|(id, task)| holds(*id, task));
    match query.order() {
        Some(("id", _)) => rows.sort_by_key(|(id, _)| *id),
        Some(("created_at", _)) => rows.sort_by_key(|(id, task)| (task.created_at, *id)),
        Some(("complete_till", _)) => rows.sort_by_key(|(id, task)| (task.complete_till, *id)),
        _ => rows.sort_by_key(|(id, task)| (task.updated_at, *id)),
    }
    // By updated_at always from the oldest, whatever is asked.
    if matches!(query.order(), Some(("id" | "created_at" | "complete_till", true))) {
        rows.reverse();
    }
    rows.dedup_by_key(|(id, _)| *id);
    rows.into_iter().map(|(id, _)| id).collect()
}

fn one(cx: &mut Cx, id: u64) -> Answer {
    match cx.world.living_task(id) {
        Some(task) => Answer::hal(StatusCode::OK, &show(cx, id, task)),
        None if cx.world.switches.is("unknown_id", "404") => not_found(),
        None => nothing(),
    }
}

/// Reads one item; `id` is the task it changes, `None` for a new one.
pub fn read(world: &World, id: Option<u64>, item: &Value) -> Result<Task, Vec<Fault>> {
    let before = match id {
        Some(id) => Some(world.living_task(id).ok_or_else(|| vec![not_a_choice("id")])?),
        None => None,
    };
    let mut item = Item::read(item)?;
    let (text, complete_till) = (item.text("text"), item.number("complete_till"));
    if before.is_none() {
        if text.as_deref().is_none_or(str::is_empty) {
            item.fault(missing("text"));
        }
        if item.given("complete_till").is_none() {
            item.fault(missing("complete_till"));
        }
    }
    let of = read_parent(world, &mut item).or(before.and_then(|task| task.of));
    let type_id = item.id("task_type_id").or(before.map(|task| task.type_id)).unwrap_or(1);
    if !(1..=3).contains(&type_id) {
        item.fault(not_a_choice("task_type_id"));
    }
    let result = item.given("result").and_then(|result| result.get("text")).and_then(Value::as_str);
    let (created_by, updated_by) = (item.user("created_by", world), item.user("updated_by", world));
    let (created_at, updated_at) = (item.number("created_at"), item.number("updated_at"));
    let responsible = item.user("responsible_user_id", world);
    let duration = item.number("duration");
    let completed = item.yes("is_completed");
    let honored = world.switches.is("updated_at_on_write", "honored");
    let (now, me) = (world.clock.now(), world.actor.user);
    item.done(Task {
        of,
        text: text.map(Into::into).or(before.map(|task| task.text.clone())).unwrap_or_default(),
        result: result.map(Into::into).or(before.and_then(|task| task.result.clone())),
        type_id,
        complete_till: complete_till.or(before.map(|task| task.complete_till)).unwrap_or(now),
        duration: duration.or(before.map(|task| task.duration)).unwrap_or(0),
        completed: completed.or(before.map(|task| task.completed)).unwrap_or(false),
        deleted: false,
        responsible: responsible.or(before.map(|task| task.responsible)).unwrap_or(me),
        created_by: created_by.or(before.map(|task| task.created_by)).unwrap_or(me),
        updated_by: updated_by.filter(|_| honored).unwrap_or(me),
        created_at: created_at.or(before.map(|task| task.created_at)).unwrap_or(now),
        updated_at: updated_at.filter(|_| honored).unwrap_or(now),
    })
}

fn read_parent(world: &World, item: &mut Item) -> Option<Ref> {
    let id = item.given("entity_id").and_then(id_number)?;
    let Some(kind) = item.given("entity_type").and_then(Value::as_str).and_then(Kind::card) else {
        item.fault(not_a_choice("entity_type"));
        return None;
    };
    if world.alive(kind.of(id)).is_none() {
        item.fault(not_a_choice("entity_id"));
    }
    Some(kind.of(id))
}

fn create(cx: &mut Cx) -> Answer {
    match batch::write(cx, |world, item| read(world, None, item), World::create_task) {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, id)| {
                let links = cx.self_link(&format!("/api/v4/tasks/{id}"));
                json!({"id": id, "request_id": request_id, "_links": links})
            });
            let rows: Vec<Value> = rows.collect();
            cx.written("tasks", &rows)
        }
        Err(answer) => answer,
    }
}

fn change(cx: &mut Cx, id: Option<u64>) -> Answer {
    let items = match (id, cx.request.json()) {
        (Some(_), Some(item @ Value::Object(_))) => vec![item],
        (Some(_), _) => return rejected(wrong_type("")),
        (None, _) => match batch::items(cx) {
            Ok(items) => items,
            Err(answer) => return answer,
        },
    };
    let read_one = |world: &World, item: &Value| {
        let id = id.or_else(|| item.get("id").and_then(id_number)).ok_or_else(|| vec![missing("id")])?;
        Ok((id, read(world, Some(id), item)?))
    };
    let apply = |world: &mut World, (id, task): (u64, Task)| {
        world.change_task(id, &task);
        id
    };
    match batch::write_items(cx, &items, read_one, apply) {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, id)| {
                let updated_at = cx.world.tasks.get(id).map(|task| task.updated_at);
                let links = cx.self_link(&format!("/api/v4/tasks/{id}"));
                json!({"id": id, "updated_at": updated_at, "request_id": request_id, "_links": links})
            });
            let mut rows: Vec<Value> = rows.collect();
            if id.is_some() {
                return Answer::hal(StatusCode::OK, &rows.pop().unwrap_or_default());
            }
            cx.written("tasks", &rows)
        }
        Err(answer) => answer,
    }
}
