//! Notes of the timeline (§2.7): ten types can be written, none can be deleted here.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{batch, note_filter};
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::kind::Kind;
use crate::world::timeline::{Note, WRITABLE_NOTES};
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx, kind: Kind, of: Option<u64>, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => list(cx, kind, of),
        ("POST", []) => create(cx, kind, of),
        ("PATCH", []) => change(cx, kind, None),
        (_, []) => no_method(),
        (method, [id]) => match (method, id.parse()) {
            ("GET", Ok(id)) => one(cx, kind, of, id),
            ("PATCH", Ok(id)) => change(cx, kind, Some(id)),
            // DELETE: 405 and an empty body, as probed.
            (_, Ok(_)) => no_method(),
            (_, Err(_)) => cx.no_route(),
        },
        ("POST", [id, verb @ ("pin" | "unpin")]) => pin(cx, id, *verb == "pin"),
        _ => cx.no_route(),
    }
}

pub fn show(cx: &Cx, id: u64, note: &Note) -> Value {
    let path = format!("/api/v4/{}/{}/notes/{id}", note.of.kind.word(), note.of.id);
    let mut params: Value = serde_json::from_str(&note.params).unwrap_or_default();
    let file = params.get("file_uuid").and_then(Value::as_str);
    if file.is_some_and(|uuid| !cx.world.file_usable(uuid)) {
        // A trashed file disappears from notes until it is restored (§3.7).
        params = json!({"text": params.get("text"), "is_drive_attachment": true});
    }
    json!({
        "id": id,
        "entity_id": note.of.id,
        "created_by": note.created_by,
        "updated_by": note.updated_by,
        "created_at": note.created_at,
        "updated_at": note.updated_at,
        "responsible_user_id": note.responsible,
        "group_id": cx.world.users.get(&note.responsible).map_or(0, |user| user.group),
        "note_type": &*note.note_type,
        "params": params,
        "is_pinned": note.pinned,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&path),
    })
}

fn list(cx: &mut Cx, kind: Kind, of: Option<u64>) -> Answer {
    if of.is_some_and(|id| cx.world.alive(kind.of(id)).is_none()) {
        return nothing();
    }
    let ids = cx.ordered(|cx| note_filter::ordered(cx.world, kind, of, &cx.request.query));
    cx.page("notes", &ids, |cx, id| Some(show(cx, id, cx.world.notes.get(id)?)))
}

fn one(cx: &mut Cx, kind: Kind, of: Option<u64>, id: u64) -> Answer {
    let fits = |note: &&Note| note.of.kind == kind && of.is_none_or(|of| note.of.id == of);
    match cx.world.living_note(id).filter(fits) {
        Some(note) => Answer::hal(StatusCode::OK, &show(cx, id, note)),
        None if cx.world.switches.is("unknown_id", "404") => not_found(),
        None => nothing(),
    }
}

fn pin(cx: &mut Cx, id: &str, pinned: bool) -> Answer {
    let Some(id) = id.parse().ok().filter(|id| cx.world.living_note(*id).is_some()) else { return not_found() };
    if let Some(note) = cx.world.notes.get_mut(id) {
        note.pinned = pinned;
    }
    cx.world.did(What::Changed, "notes", id);
    nothing()
}

fn create(cx: &mut Cx, kind: Kind, of: Option<u64>) -> Answer {
    let made = batch::write(
        cx,
        |world, item| read(world, kind, of, item),
        |world: &mut World, note| {
            let of = note.of;
            (world.create_note(note), of)
        },
    );
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, (id, of))| {
                let links = cx.self_link(&format!("/api/v4/{}/{}/notes/{id}", kind.word(), of.id));
                json!({"id": id, "entity_id": of.id, "request_id": request_id, "_links": links})
            });
            let rows: Vec<Value> = rows.collect();
            cx.written("notes", &rows)
        }
        Err(answer) => answer,
    }
}

fn read(world: &World, kind: Kind, of: Option<u64>, item: &Value) -> Result<Note, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let parent = of.or_else(|| item.given("entity_id").and_then(id_number)).map(|id| kind.of(id));
    let parent = parent.filter(|of| world.alive(*of).is_some());
    if parent.is_none() {
        item.fault(not_a_choice("entity_id"));
    }
    let (note_type, params) = read_content(world, &mut item, None);
    let (created_by, updated_by) = (item.user("created_by", world), item.user("updated_by", world));
    let responsible = item.user("responsible_user_id", world);
    let (created_at, updated_at) = (item.number("created_at"), item.number("updated_at"));
    let honored = world.switches.is("note_times", "honored");
    let (now, me) = (world.clock.now(), world.actor.user);
    let created_at = created_at.filter(|_| honored).unwrap_or(now);
    let created_by = created_by.unwrap_or(me);
    let Some(of) = parent else { return Err(item.faults) };
    item.done(Note {
        of,
        note_type: note_type.into(),
        params: params.into(),
        responsible: responsible.unwrap_or(me),
        created_by,
        updated_by: updated_by.filter(|_| honored).unwrap_or(created_by),
        created_at,
        updated_at: updated_at.filter(|_| honored).unwrap_or(now),
        pinned: false,
    })
}

/// Type and params; `before` is the note being changed.
fn read_content(world: &World, item: &mut Item, before: Option<&Note>) -> (String, String) {
    let note_type = item.text("note_type").or_else(|| before.map(|note| note.note_type.to_string()));
    let note_type = note_type.unwrap_or_else(|| "common".to_owned());
    if !WRITABLE_NOTES.contains(&note_type.as_str()) {
        item.fault(not_a_choice("note_type"));
    }
    let empty = Map::new();
    let params = match item.given("params") {
        Some(Value::Object(params)) => params,
        None if before.is_some() => return (note_type, before.map(|note| note.params.to_string()).unwrap_or_default()),
        None => &empty,
        Some(_) => {
            item.fault(wrong_type("params"));
            &empty
        }
    };
    for key in needed(&note_type) {
        if params.get(*key).is_none_or(Value::is_null) {
            item.fault(missing(format!("params.{key}")));
        }
    }
    let mut params = params.clone();
    if note_type == "attachment" {
        let uuid = params.get("file_uuid").and_then(Value::as_str);
        if uuid.is_some_and(|uuid| !world.file_usable(uuid)) {
            item.fault(not_a_choice("params.file_uuid"));
        }
        let name = params.get("file_name").cloned().unwrap_or_default();
        params.entry("original_name").or_insert(name);
        params.insert("is_drive_attachment".into(), json!(true));
    }
    (note_type, Value::Object(params).to_string())
}

fn needed(note_type: &str) -> &'static [&'static str] {
    match note_type {
        "common" => &["text"],
        "call_in" | "call_out" => &["duration", "phone"],
        "service_message" | "extended_service_message" => &["service", "text"],
        "message_cashier" => &["status", "text"],
        "geolocation" => &["text", "address", "longitude", "latitude"],
        "sms_in" | "sms_out" => &["text", "phone"],
        "attachment" => &["file_uuid", "file_name"],
        _ => &[],
    }
}

/// A note's new content.
pub struct Change {
    id: u64,
    note_type: String,
    params: String,
}

/// Only `params` and `note_type` can change.
pub fn read_change(world: &World, kind: Kind, id: Option<u64>, item: &Value) -> Result<Change, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let id = id.or_else(|| item.given("id").and_then(id_number));
    let note = id.and_then(|id| Some((id, world.living_note(id).filter(|note| note.of.kind == kind)?)));
    let Some((id, note)) = note else { return Err(vec![not_a_choice("id")]) };
    let (note_type, params) = read_content(world, &mut item, Some(note));
    item.done(Change { id, note_type, params })
}

pub fn apply_change(world: &mut World, change: Change) -> u64 {
    let (now, me) = (world.clock.now(), world.actor.user);
    if let Some(note) = world.notes.get_mut(change.id) {
        note.note_type = change.note_type.into();
        note.params = change.params.into();
        note.updated_at = now;
        note.updated_by = me;
    }
    world.did(What::Changed, "notes", change.id);
    change.id
}

fn change(cx: &mut Cx, kind: Kind, id: Option<u64>) -> Answer {
    let items = match (id, cx.request.json()) {
        (Some(_), Some(item @ Value::Object(_))) => vec![item],
        (Some(_), _) => return rejected(wrong_type("")),
        (None, _) => match batch::items(cx) {
            Ok(items) => items,
            Err(answer) => return answer,
        },
    };
    match batch::write_items(cx, &items, |world, item| read_change(world, kind, id, item), apply_change) {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let note = cx.world.notes.get(id)?;
                let links = cx.self_link(&format!("/api/v4/{}/{}/notes/{id}", kind.word(), note.of.id));
                Some(json!({"id": id, "entity_id": note.of.id, "updated_at": note.updated_at,
                    "request_id": request_id, "_links": links}))
            });
            let mut rows: Vec<Value> = rows.collect();
            if id.is_some() {
                return Answer::hal(StatusCode::OK, &rows.pop().unwrap_or_default());
            }
            cx.written("notes", &rows)
        }
        Err(answer) => answer,
    }
}
