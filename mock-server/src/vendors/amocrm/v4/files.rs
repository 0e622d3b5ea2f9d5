//! Which record has which file, and back (§2.15). The files themselves are on the drive.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, not_a_choice};
use crate::world::World;
use crate::world::kind::Ref;

/// `/{entity}/{id}/files`.
pub fn of_record(cx: &mut Cx, of: Ref) -> Answer {
    if cx.world.alive(of).is_none() {
        return not_found();
    }
    match cx.request.method.as_str() {
        "GET" => list(cx, of),
        "PUT" => change(cx, of, true),
        "DELETE" => change(cx, of, false),
        _ => no_method(),
    }
}

fn list(cx: &Cx, of: Ref) -> Answer {
    let number = |name: &str| cx.request.query.one(name).and_then(|text| text.parse::<u64>().ok());
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(50).min(250);
    let before = number("before_id").unwrap_or(u64::MAX);
    let rows = cx.world.files_of(of).filter(|row| row.id < before).take(usize::try_from(limit).unwrap_or(250));
    let rows: Vec<Value> = rows.map(|row| json!({"file_uuid": row.file, "id": row.id})).collect();
    if rows.is_empty() {
        return nothing();
    }
    let last = rows.last().and_then(|row| row["id"].as_u64()).unwrap_or(0);
    let mut links = cx.self_link(&cx.request.path);
    if cx.world.files_of(of).any(|row| row.id < last) {
        links["next"] = cx.href(&format!("{}?limit={limit}&before_id={last}", cx.request.path));
    }
    Answer::hal(StatusCode::OK, &json!({"_links": links, "_embedded": {"files": rows}}))
}

/// PUT hangs files on a record, DELETE takes them off; the files stay on the drive.
fn change(cx: &mut Cx, of: Ref, attach: bool) -> Answer {
    let read = |world: &World, item: &Value| -> Result<String, Vec<Fault>> {
        let uuid = item.get("file_uuid").and_then(Value::as_str);
        let uuid = uuid.filter(|uuid| !attach || world.file_usable(uuid));
        uuid.map(str::to_owned).ok_or_else(|| vec![not_a_choice("file_uuid")])
    };
    let apply = |world: &mut World, uuid: String| {
        if attach {
            world.attach_file(of, &uuid);
        } else {
            world.detach_file(of, &uuid);
        }
    };
    match batch::write(cx, read, apply) {
        Ok(_) => Answer::empty(StatusCode::ACCEPTED),
        Err(answer) => answer,
    }
}

/// `GET /files/{uuid}/links`.
pub fn holders(cx: &mut Cx, uuid: &str) -> Answer {
    if cx.request.method != http::Method::GET {
        return no_method();
    }
    if !cx.world.files.contains_key(uuid) {
        return not_found();
    }
    let rows = cx.world.holders_of(uuid).into_iter();
    let rows: Vec<Value> = rows.map(|of| json!({"entity_id": of.id, "entity_type": of.kind.word()})).collect();
    cx.whole("links", &rows)
}
