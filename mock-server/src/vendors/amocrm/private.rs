//! The private web routes that delete, with the answers probed from a real account (§3.2, §3.6).

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Cx, legacy, php};
use crate::answer::Answer;
use crate::ledger::What;
use crate::world::World;
use crate::world::kind::Kind;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    if !asked_as_the_ui_asks(cx) || cx.request.method != http::Method::POST {
        return Answer::html(StatusCode::NOT_FOUND);
    }
    match path {
        ["ajax", word @ ("leads" | "contacts" | "companies"), "multiple", "delete"] => match Kind::card(word) {
            Some(kind) => multiple_delete(cx, kind),
            None => Answer::html(StatusCode::NOT_FOUND),
        },
        ["private", "notes", "edit2.php"] => edit2(cx),
        ["ajax", "v1", "customers", "set"] => customers(cx),
        ["ajax", "v1", "catalogs", "set"] => catalogs(cx),
        ["ajax", "v1", "catalog_elements", "set"] => elements(cx),
        ["ajax", "v1", "pipelines", "delete"] => pipeline(cx),
        ["ajax", "v1", "multiactions", "set"] => legacy::multiactions(cx),
        ["private", "deals", "delete.php"] => legacy::deals(cx),
        ["ajax", "v1", "notes", "set"] => legacy::notes(cx),
        _ => Answer::html(StatusCode::NOT_FOUND),
    }
}

fn asked_as_the_ui_asks(cx: &Cx) -> bool {
    let asked = cx.request.header("x-requested-with").is_some_and(|value| value.eq_ignore_ascii_case("XMLHttpRequest"));
    asked || !cx.world.switches.on("require_x_requested_with")
}

pub fn body(cx: &Cx) -> Value {
    php::body(cx.request, cx.world.switches.on("json_on_private_routes"))
}

fn ok(value: &Value) -> Answer {
    Answer::json(StatusCode::OK, value)
}

/// a-c: what the "Delete" button of a card sends.
fn multiple_delete(cx: &mut Cx, kind: Kind) -> Answer {
    let ids = php::ids(body(cx).get("ID"));
    delete_cards(cx, kind, &ids)
}

/// Deletes and answers as `multiple/delete` does.
pub fn delete_cards(cx: &mut Cx, kind: Kind, ids: &[u64]) -> Answer {
    let alive: Vec<u64> = ids.iter().copied().filter(|id| cx.world.may_delete(kind.of(*id))).collect();
    let mixed = alive.len() < ids.len();
    if alive.is_empty() || (mixed && cx.world.switches.is("mixed_batch", "all_or_nothing")) {
        return ok(&no_rights(cx.world, kind));
    }
    let happen = cx.portion.of(alive.len());
    for id in alive.iter().take(happen) {
        cx.world.delete_card(kind.of(*id));
    }
    ok(&json!({"status": "success", "message": success_text(cx.world, kind, happen)}))
}

fn success_text(world: &World, kind: Kind, count: usize) -> String {
    if world.switches.is("private_language", "en") {
        return format!("Successfully deleted: {count}");
    }
    let one = count % 10 == 1 && count % 100 != 11;
    // Companies are called contacts here.
    let noun = match (kind, one) {
        (Kind::Leads, true) => "сделки",
        (Kind::Leads, false) => "сделок",
        (_, true) => "контакта",
        (_, false) => "контактов",
    };
    format!("Удаление прошло успешно для {count} {noun}")
}

/// The same words for lacking rights and for what is gone already.
fn no_rights(world: &World, kind: Kind) -> Value {
    if world.switches.is("private_language", "en") {
        return json!({"status": "fail", "errors": ["Insufficient rights to delete"], "message": "Insufficient rights to delete"});
    }
    let noun = if kind == Kind::Leads { "сделки" } else { "контакта" };
    json!({
        "status": "fail",
        "errors": [format!("Недостаточно прав для удаления {noun}")],
        "message": "Недостаточно прав для удаления",
    })
}

/// d-f: tasks, notes and calls.
fn edit2(cx: &mut Cx) -> Answer {
    let body = body(cx);
    let id = php::ids(body.get("ID")).first().copied().unwrap_or(0);
    match body.get("ACTION").and_then(Value::as_str) {
        Some("TASK_DELETE") if cx.world.delete_task(id) => ok(&json!({"status": "ok", "id": id})),
        Some("NOTE_DELETE") if cx.world.living_note(id).is_some() => {
            cx.world.delete_note(id);
            ok(&json!({"status": "ok", "id": id}))
        }
        Some("NOTE_DELETE") => ok(&json!({"status": "no note", "id": id})),
        // A task that is gone, and an action that nobody knows.
        _ => Answer::json(StatusCode::BAD_REQUEST, &json!({"status": "fail", "id": id})),
    }
}

fn gone(id: u64) -> Value {
    json!({"id": id, "code": 404, "message": "Not found"})
}

/// g: always JSON.
fn customers(cx: &mut Cx) -> Answer {
    let body = php::body(cx.request, true);
    let ids = php::ids(php::at(&body, &["request", "customers", "delete"]));
    let errors = delete_each(cx, &ids, |world, id| world.delete_card(Kind::Customers.of(id)));
    ok(&json!({"response": {"customers": {"delete": {"errors": errors}}}}))
}

/// Deletes what is there and lists what is not. An id that a fault kept from happening is in neither list.
fn delete_each(cx: &mut Cx, ids: &[u64], mut delete: impl FnMut(&mut World, u64) -> bool) -> Vec<Value> {
    let happen = cx.portion.of(ids.len());
    ids.iter().take(happen).filter(|id| !delete(cx.world, **id)).map(|id| gone(*id)).collect()
}

/// h: one id; a list is too much for it.
fn catalogs(cx: &mut Cx) -> Answer {
    let body = body(cx);
    let Some(named) = php::at(&body, &["request", "catalogs", "delete"]) else {
        return ok(&json!({"response": {"catalogs": {"delete": {"catalogs": [], "errors": []}}}}));
    };
    if php::is_list(named) {
        return Answer::html(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let id = php::ids(Some(named)).first().copied().unwrap_or(0);
    let deleted = cx.world.catalogs.get(id).map(|catalog| json!({"id": id, "name": catalog.name}));
    let answer = match deleted {
        Some(row) => {
            delete_catalog(cx.world, id);
            json!({"catalogs": {id.to_string(): row}, "errors": []})
        }
        None => json!({"catalogs": [], "errors": [gone(id)]}),
    };
    ok(&json!({"response": {"catalogs": {"delete": answer}}}))
}

/// A catalog goes for good, and its elements with it.
pub fn delete_catalog(world: &mut World, id: u64) -> bool {
    if world.catalogs.remove(id).is_none() {
        return false;
    }
    let of_it = |card: &crate::world::card::Card| card.catalog() == Some(id);
    let elements: Vec<u64> =
        world.cards(Kind::CatalogElements).iter().filter(|(_, card)| of_it(card)).map(|(id, _)| id).collect();
    for element in elements {
        world.delete_card(Kind::CatalogElements.of(element));
    }
    world.did(What::Deleted, "catalogs", id);
    true
}

/// i: 200 with errors is a partial success.
fn elements(cx: &mut Cx) -> Answer {
    let body = body(cx);
    let ids = php::ids(php::at(&body, &["request", "catalog_elements", "delete"]));
    let mut deleted = Map::new();
    let errors = delete_each(cx, &ids, |world, id| {
        let of = Kind::CatalogElements.of(id);
        let row = world.alive(of).map(|card| json!({"id": id, "catalog_id": card.catalog(), "name": card.name}));
        deleted.extend(row.map(|row| (id.to_string(), row)));
        world.delete_card(of)
    });
    let deleted = if deleted.is_empty() { json!([]) } else { Value::Object(deleted) };
    let server_time = cx.world.clock.now();
    ok(&json!({"response": {
        "catalog_elements": {"delete": {"catalog_elements": deleted, "errors": errors}},
        "server_time": server_time,
    }}))
}

/// j: use the v4 DELETE instead.
fn pipeline(cx: &mut Cx) -> Answer {
    use super::v4::pipelines::{delete_now, delete_refused};
    let body = body(cx);
    let id = php::ids(php::at(&body, &["request", "id"])).first().copied().unwrap_or(0);
    if cx.world.funnel.pipelines.get(id).is_none() || delete_refused(cx.world, id).is_some() {
        return ok(&json!({"response": {"error": "Код ошибки 222. Ошибка при удалении", "error_code": "222"}}));
    }
    delete_now(cx.world, id);
    ok(&json!({"response": {id.to_string(): true, "server_time": cx.world.clock.now()}}))
}

/// `POST /contacts/detail/{id}` with `ACTION: DELETE`: known from one article, its answer from none. We answer as
/// `multiple/delete` does.
pub fn detail(cx: &mut Cx, path: &[&str]) -> Answer {
    let (Some(kind), Some(id)) = (path.first().and_then(|word| Kind::card(word)), path.last()) else {
        return Answer::html(StatusCode::NOT_FOUND);
    };
    let Ok(id) = id.parse::<u64>() else { return Answer::html(StatusCode::NOT_FOUND) };
    if cx.request.method != http::Method::POST || !asked_as_the_ui_asks(cx) {
        return Answer::html(StatusCode::NOT_FOUND);
    }
    // JSON is what the article declares, so no switch turns it off here.
    let body = php::body(cx.request, true);
    let deletes = body.get("ACTION").and_then(Value::as_str) == Some("DELETE");
    if deletes && cx.world.switches.is("detail_route", "deletes") {
        return delete_cards(cx, kind, &[id]);
    }
    ok(&json!({"status": "success"}))
}
