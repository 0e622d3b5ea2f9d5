//! Sources of leads (§2.14). The mock lets every integration see all of them.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::channels::Source;
use crate::world::{ACCOUNT_ID, World};

const LARGEST_COUNT: usize = 100;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let rows: Vec<Value> = cx.world.sources.iter().map(|(id, row)| show(cx, id, row)).collect();
            if rows.is_empty() { nothing() } else { cx.whole("sources", &rows) }
        }
        ("POST", []) => create(cx),
        ("PATCH", []) => change(cx, None),
        ("DELETE", []) => delete_many(cx),
        (_, []) => no_method(),
        (method, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            let Some(row) = cx.world.sources.get(id) else { return not_found() };
            match method {
                "GET" => Answer::hal(StatusCode::OK, &show(cx, id, row)),
                "PATCH" => change(cx, Some(id)),
                "DELETE" => {
                    delete(cx.world, id);
                    nothing()
                }
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn show(cx: &Cx, id: u64, row: &Source) -> Value {
    json!({
        "id": id,
        "name": row.name,
        "pipeline_id": row.pipeline,
        "external_id": row.external_id,
        "default": row.default,
        "origin_code": null,
        "services": [],
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/sources/{id}")),
    })
}

fn read(world: &World, id: Option<u64>, item: &Value) -> Result<Source, Vec<Fault>> {
    let before = id.and_then(|id| world.sources.get(id));
    let mut item = Item::read(item)?;
    let (name, external) = (item.text("name"), item.text("external_id"));
    let pipeline = item.id("pipeline_id").or(before.map(|row| row.pipeline)).or_else(|| world.funnel.main());
    if pipeline.is_none_or(|id| world.funnel.pipelines.get(id).is_none()) {
        item.fault(not_a_choice("pipeline_id"));
    }
    if before.is_none() {
        for key in ["name", "external_id"] {
            if item.given(key).is_none() {
                item.fault(missing(key));
            }
        }
    }
    let external_id = external.or(before.map(|row| row.external_id.clone())).unwrap_or_default();
    if world.sources.iter().any(|(other, row)| Some(other) != id && row.external_id == external_id) {
        let (code, detail) = ("SourceAlreadyExists", "Source with this external_id already exists");
        item.fault(Fault { code, path: "external_id".to_owned(), detail });
    }
    let name = name.or(before.map(|row| row.name.clone())).unwrap_or_default();
    let default = item.yes("default").or(before.map(|row| row.default)).unwrap_or(false);
    item.done(Source { name, external_id, pipeline: pipeline.unwrap_or(0), default })
}

fn create(cx: &mut Cx) -> Answer {
    if cx.world.sources.len() >= LARGEST_COUNT {
        return Answer::problem(StatusCode::BAD_REQUEST, "At most 100 sources");
    }
    let made = batch::write(
        cx,
        |world, item| read(world, None, item),
        |world: &mut World, row| {
            let id = world.sources.next_id();
            world.sources.put(id, row);
            world.did(What::Created, "sources", id);
            id
        },
    );
    written(cx, made)
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
        let id = id.or_else(|| item.get("id").and_then(id_number)).filter(|id| world.sources.get(*id).is_some());
        let id = id.ok_or_else(|| vec![not_a_choice("id")])?;
        Ok((id, read(world, Some(id), item)?))
    };
    let changed = batch::write_items(cx, &items, read_one, |world, (id, row)| {
        world.sources.put(id, row);
        world.did(What::Changed, "sources", id);
        id
    });
    match (id.and_then(|id| Some((id, cx.world.sources.get(id)?))), changed) {
        (Some((id, row)), Ok(_)) => Answer::hal(StatusCode::OK, &show(cx, id, row)),
        (_, changed) => written(cx, changed),
    }
}

fn written(cx: &Cx, rows: Result<Vec<(String, u64)>, Answer>) -> Answer {
    match rows {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.sources.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.whole("sources", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

fn delete(world: &mut World, id: u64) {
    world.sources.remove(id);
    world.did(What::Deleted, "sources", id);
}

/// The body is a list; what is not there has an envelope of its own.
fn delete_many(cx: &mut Cx) -> Answer {
    let Some(Value::Array(items)) = cx.request.json() else { return rejected(wrong_type("")) };
    let ids: Vec<u64> = items.iter().filter_map(|item| item.get("id").and_then(id_number)).collect();
    let gone = ids.iter().enumerate().filter(|(_, id)| cx.world.sources.get(**id).is_none()).map(|(index, id)| {
        json!({"request_id": index.to_string(), "errors": {"code": "EntityNotFound", "path": "id",
            "detail": format!("source with id = {id} not found")}})
    });
    let gone: Vec<Value> = gone.collect();
    if !gone.is_empty() || ids.is_empty() {
        let body = json!({"errors": gone, "title": "Bad Request", "status": 400, "detail": "Invalid request items"});
        return Answer::problem_body(StatusCode::BAD_REQUEST, &body);
    }
    let happen = cx.portion.of(ids.len());
    for id in ids.into_iter().take(happen) {
        delete(cx.world, id);
    }
    nothing()
}
