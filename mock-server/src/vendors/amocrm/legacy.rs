//! Deletes seen only in other people's code (§3.3). Their answers are our guess; `legacy_routes` turns them off.

use http::StatusCode;
use serde_json::{Value, json};

use super::private::{body, delete_cards, delete_catalog};
use super::{Cx, php};
use crate::answer::Answer;
use crate::world::World;
use crate::world::kind::Kind;

fn off(cx: &Cx) -> bool {
    !cx.world.switches.on("legacy_routes")
}

/// `POST /ajax/v1/multiactions/set`: the UI's bulk job; here it is done when it answers.
pub fn multiactions(cx: &mut Cx) -> Answer {
    if off(cx) {
        return Answer::html(StatusCode::NOT_FOUND);
    }
    let body = php::body(cx.request, true);
    let jobs: Vec<Value> = match php::at(&body, &["request", "multiactions", "add"]) {
        Some(Value::Array(jobs)) => jobs.clone(),
        Some(Value::Object(jobs)) => jobs.values().cloned().collect(),
        _ => Vec::new(),
    };
    let mut done = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let number = |key: &str| php::ids(job.get(key)).first().copied();
        let kind = number("entity_type").and_then(Kind::by_number);
        let action = php::at(job, &["data", "data", "ACTION"]).and_then(Value::as_str);
        // 17 is what one script sends for contacts.
        let deletes = matches!(number("multiaction_type"), Some(4 | 17)) && action == Some("DELETE");
        if let (Some(kind), true) = (kind, deletes) {
            let ids = job.get("ids").or_else(|| php::at(job, &["data", "ids"]));
            delete_cards(cx, kind, &php::ids(ids));
        }
        done.push(json!({"id": index + 1, "status": if deletes { "done" } else { "ignored" }}));
    }
    Answer::json(StatusCode::OK, &json!({"response": {"multiactions": {"add": done}}}))
}

/// `POST /private/deals/delete.php`.
pub fn deals(cx: &mut Cx) -> Answer {
    if off(cx) {
        return Answer::html(StatusCode::NOT_FOUND);
    }
    let body = body(cx);
    if body.get("ACTION").and_then(Value::as_str) != Some("DELETE") {
        return Answer::json(StatusCode::OK, &json!({"status": "fail"}));
    }
    delete_cards(cx, Kind::Leads, &php::ids(body.get("ID")))
}

/// `POST /ajax/v1/notes/set/`.
pub fn notes(cx: &mut Cx) -> Answer {
    if off(cx) {
        return Answer::html(StatusCode::NOT_FOUND);
    }
    let body = php::body(cx.request, true);
    let ids = php::ids(php::at(&body, &["request", "notes", "delete"]));
    let happen = cx.portion.of(ids.len());
    let gone: Vec<u64> = ids.into_iter().take(happen).filter(|id| !delete_note(cx.world, *id)).collect();
    let errors: Vec<Value> = gone.iter().map(|id| json!({"id": id, "code": 404})).collect();
    Answer::json(StatusCode::OK, &json!({"response": {"notes": {"delete": {"errors": errors}}}}))
}

fn delete_note(world: &mut World, id: u64) -> bool {
    world.living_note(id).is_some() && world.delete_note(id)
}

/// `POST /api/v2/{object}` with `{"delete": [1, 2]}`.
pub fn v2(cx: &mut Cx, path: &[&str]) -> Answer {
    let deletes: fn(&mut World, u64) -> bool = match path {
        ["customers"] => |world, id| world.delete_card(Kind::Customers.of(id)),
        ["catalogs"] => delete_catalog,
        ["catalog_elements"] => |world, id| world.delete_card(Kind::CatalogElements.of(id)),
        ["transactions"] => World::delete_transaction,
        ["notes"] => delete_note,
        _ => return cx.no_route(),
    };
    let body = cx.request.json().unwrap_or_default();
    let Some(named) = body.get("delete").filter(|_| !off(cx) && cx.request.method == http::Method::POST) else {
        return cx.no_route();
    };
    let ids = php::ids(Some(named));
    let happen = cx.portion.of(ids.len());
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for id in ids.into_iter().take(happen) {
        if deletes(cx.world, id) {
            items.push(json!({"id": id}));
        } else {
            errors.push(json!({"id": id, "code": 404}));
        }
    }
    let body = json!({
        "_links": cx.self_link(&cx.request.path),
        "_embedded": {"items": items, "errors": {"delete": errors}},
    });
    Answer::hal(StatusCode::OK, &body)
}
