//! Segments and stages of customers (§2.4).

use http::StatusCode;
use serde_json::{Value, json};

use super::{batch, card_show, field_values};
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, missing, rejected, rejection, wrong_type};
use crate::world::cards::FieldsPatch;
use crate::world::catalogs::{CustomerStatus, Segment};
use crate::world::fields::Owner;
use crate::world::{ACCOUNT_ID, World};

pub fn segments(cx: &mut Cx, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.segments.iter().map(|(id, _)| id).collect();
            cx.page("segments", &ids, |cx, id| Some(show_segment(cx, id, cx.world.segments.get(id)?)))
        }
        ("POST", []) => create_segments(cx),
        (_, []) => no_method(),
        (_, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            if cx.world.segments.get(id).is_none() {
                return if method == "GET" { nothing() } else { not_found() };
            }
            match method {
                "GET" => shown_segment(cx, id),
                "PATCH" => change_segment(cx, id),
                "DELETE" => delete_segment(cx, id),
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn shown_segment(cx: &Cx, id: u64) -> Answer {
    match cx.world.segments.get(id) {
        Some(segment) => Answer::hal(StatusCode::OK, &show_segment(cx, id, segment)),
        None => nothing(),
    }
}

fn show_segment(cx: &Cx, id: u64, segment: &Segment) -> Value {
    json!({
        "id": id,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
        "account_id": ACCOUNT_ID,
        "name": segment.name,
        "color": segment.color,
        "available_products_price_types": segment.available_products_price_types,
        "customers_count": cx.world.members_of(id).count(),
        "custom_fields_values": card_show::field_values(cx.world, Owner::Segments, &segment.fields),
        "_links": cx.self_link(&format!("/api/v4/customers/segments/{id}")),
    })
}

struct SegmentDraft {
    name: Option<String>,
    color: Option<String>,
    price_types: Option<Vec<u64>>,
    fields: FieldsPatch,
}

fn read_segment(world: &World, new: bool, item: &Value) -> Result<SegmentDraft, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let price_types = item.list("available_products_price_types");
    let draft = SegmentDraft {
        name: item.text("name"),
        color: item.text("color"),
        price_types: price_types.map(|ids| ids.iter().filter_map(Value::as_u64).collect()),
        fields: field_values::read(world, Owner::Segments, &mut item),
    };
    if new && draft.name.as_deref().is_none_or(str::is_empty) {
        item.fault(missing("name"));
    }
    item.done(draft)
}

fn apply_segment(world: &mut World, id: u64, draft: SegmentDraft) {
    let now = world.clock.now();
    if let Some(segment) = world.segments.get_mut(id) {
        segment.name = draft.name.unwrap_or_else(|| segment.name.clone());
        segment.color = draft.color.unwrap_or_else(|| segment.color.clone());
        segment.updated_at = now;
        if let Some(ids) = draft.price_types {
            segment.available_products_price_types = ids;
        }
        segment.fields = crate::world::cards::fields_after(std::mem::take(&mut segment.fields), draft.fields);
    }
}

fn create_segments(cx: &mut Cx) -> Answer {
    if cx.world.segments.len() >= 100 {
        return Answer::problem(StatusCode::BAD_REQUEST, "At most 100 segments");
    }
    let apply = |world: &mut World, draft: SegmentDraft| {
        let (id, now) = (world.segments.next_id(), world.clock.now());
        let empty = Segment {
            name: String::new(),
            color: "10599d".to_owned(),
            created_at: now,
            updated_at: now,
            available_products_price_types: Vec::new(),
            fields: Vec::new(),
        };
        world.segments.put(id, empty);
        apply_segment(world, id, draft);
        world.did(What::Created, "segments", id);
        id
    };
    let body = cx.request.json().unwrap_or_default();
    // The documentation shows one object here and an array elsewhere.
    let items = if body.is_object() { vec![body] } else { body.as_array().cloned().unwrap_or_default() };
    match batch::write_items(cx, &items, |world, item| read_segment(world, true, item), apply) {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show_segment(cx, id, cx.world.segments.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            let rows: Vec<Value> = rows.collect();
            cx.written("segments", &rows)
        }
        Err(answer) => answer,
    }
}

fn change_segment(cx: &mut Cx, id: u64) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    match read_segment(cx.world, false, &body) {
        Ok(draft) => {
            apply_segment(cx.world, id, draft);
            cx.world.did(What::Changed, "segments", id);
            shown_segment(cx, id)
        }
        Err(faults) => rejection(&[("0".to_owned(), faults)]),
    }
}

/// Membership is lost with it.
fn delete_segment(cx: &mut Cx, id: u64) -> Answer {
    cx.world.segments.remove(id);
    cx.world.did(What::Deleted, "segments", id);
    cx.world.leave_segment(id);
    nothing()
}

pub fn statuses(cx: &mut Cx, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let rows: Vec<Value> =
                cx.world.customer_statuses.iter().map(|(id, row)| show_status(cx, id, row)).collect();
            cx.whole("statuses", &rows)
        }
        ("POST", []) => create_statuses(cx),
        (_, []) => no_method(),
        (_, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            let Some(status) = cx.world.customer_statuses.get(id) else { return not_found() };
            match method {
                "GET" => Answer::hal(StatusCode::OK, &show_status(cx, id, status)),
                "DELETE" if status.system => Answer::problem(StatusCode::FORBIDDEN, "System status"),
                "DELETE" => delete_status(cx, id),
                "PATCH" => change_status(cx, id),
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn show_status(cx: &Cx, id: u64, status: &CustomerStatus) -> Value {
    json!({
        "id": id,
        "name": status.name,
        "sort": status.sort,
        "is_default": status.system,
        "conditions": [],
        "color": status.color,
        "type": u8::from(status.system),
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/customers/statuses/{id}")),
    })
}

fn create_statuses(cx: &mut Cx) -> Answer {
    let read = |_: &World, item: &Value| -> Result<CustomerStatus, Vec<Fault>> {
        let mut item = Item::read(item)?;
        let (sort, color) = (item.number("sort").unwrap_or(10), item.text("color"));
        let color = color.unwrap_or_else(|| "#99ccff".to_owned());
        match item.text("name").filter(|name| !name.is_empty()) {
            Some(name) => item.done(CustomerStatus { name, sort, color, system: false }),
            None => Err(vec![missing("name")]),
        }
    };
    let apply = |world: &mut World, status: CustomerStatus| {
        let id = world.customer_statuses.next_id();
        world.customer_statuses.put(id, status);
        world.did(What::Created, "customer_statuses", id);
        id
    };
    match batch::write(cx, read, apply) {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show_status(cx, id, cx.world.customer_statuses.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            let rows: Vec<Value> = rows.collect();
            cx.whole("statuses", &rows)
        }
        Err(answer) => answer,
    }
}

fn change_status(cx: &mut Cx, id: u64) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let Ok(mut item) = Item::read(&body) else { return rejected(wrong_type("")) };
    let (name, sort, color) = (item.text("name"), item.number("sort"), item.text("color"));
    let Some(status) = cx.world.customer_statuses.get_mut(id) else { return not_found() };
    status.name = name.unwrap_or_else(|| status.name.clone());
    status.sort = sort.unwrap_or(status.sort);
    status.color = color.unwrap_or_else(|| status.color.clone());
    let status = status.clone();
    cx.world.did(What::Changed, "customer_statuses", id);
    Answer::hal(StatusCode::OK, &show_status(cx, id, &status))
}

/// Its customers move to another stage.
fn delete_status(cx: &mut Cx, id: u64) -> Answer {
    cx.world.customer_statuses.remove(id);
    cx.world.did(What::Deleted, "customer_statuses", id);
    cx.world.leave_customer_status(id);
    nothing()
}
