//! Loss reasons: `/api/v4/leads/loss_reasons` (§2.1).

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, missing};
use crate::world::World;
use crate::world::pipelines::LossReason;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.funnel.loss_reasons.iter().map(|(id, _)| id).collect();
            cx.page("loss_reasons", &ids, |cx, id| Some(show(cx, id, cx.world.funnel.loss_reasons.get(id)?)))
        }
        ("POST", []) => create(cx),
        (method, [id]) => match (method, id.parse()) {
            ("GET", Ok(id)) => match cx.world.funnel.loss_reasons.get(id) {
                Some(reason) => Answer::hal(StatusCode::OK, &show(cx, id, reason)),
                None => nothing(),
            },
            ("DELETE", Ok(id)) => delete(cx, id),
            (_, Ok(_)) => no_method(),
            _ => cx.no_route(),
        },
        (_, []) => no_method(),
        _ => cx.no_route(),
    }
}

pub fn show(cx: &Cx, id: u64, reason: &LossReason) -> Value {
    json!({
        "id": id,
        "name": reason.name,
        "sort": reason.sort,
        "created_at": reason.created_at,
        "updated_at": reason.updated_at,
        "_links": cx.self_link(&format!("/api/v4/leads/loss_reasons/{id}")),
    })
}

fn read(item: &Value) -> Result<(String, i64), Vec<Fault>> {
    let mut item = Item::read(item)?;
    let sort = item.number("sort").unwrap_or(100_000);
    match item.text("name").filter(|name| !name.is_empty()) {
        Some(name) => item.done((name, sort)),
        None => Err(vec![missing("name")]),
    }
}

fn create(cx: &mut Cx) -> Answer {
    let made = batch::write(
        cx,
        |_, item| read(item),
        |world: &mut World, (name, sort)| {
            let now = world.clock.now();
            let id = world.funnel.loss_reasons.next_id();
            world.funnel.loss_reasons.put(id, LossReason { name, sort, created_at: now, updated_at: now });
            world.did(What::Created, "loss_reasons", id);
            id
        },
    );
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.funnel.loss_reasons.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            let rows: Vec<Value> = rows.collect();
            cx.written("loss_reasons", &rows)
        }
        Err(answer) => answer,
    }
}

/// Leads keep the dead id; it can no longer be written.
fn delete(cx: &mut Cx, id: u64) -> Answer {
    if cx.world.funnel.loss_reasons.remove(id).is_none() {
        return not_found();
    }
    cx.world.did(What::Deleted, "loss_reasons", id);
    nothing()
}
