//! Creating and changing cards: what is accepted, ignored and refused (§2.1-2.4).

use serde_json::{Value, json};

use super::batch;
use super::field_values;
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::cards::{CardPatch, TagsPatch};
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};
use crate::world::pipelines::LOST;
use crate::world::tags::TagRef;
use crate::world::{CustomersMode, World};

pub fn create(cx: &mut Cx, kind: Kind) -> Answer {
    let rows =
        batch::write(cx, |world, item| read(world, kind, None, item), |world, patch| world.create_card(kind, patch));
    match rows {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, id)| {
                let links = cx.self_link(&format!("/api/v4/{}/{id}", kind.word()));
                json!({"id": id, "request_id": request_id, "_links": links})
            });
            let rows: Vec<Value> = rows.collect();
            cx.written(kind.word(), &rows)
        }
        Err(answer) => answer,
    }
}

/// What one item of a PATCH asks for.
struct Change {
    of: Ref,
    patch: CardPatch,
    delete: bool,
}

fn read_change(world: &World, kind: Kind, id: Option<u64>, item: &Value) -> Result<Change, Vec<Fault>> {
    let id = id.or_else(|| item.get("id").and_then(id_number)).ok_or_else(|| vec![missing("id")])?;
    let of = kind.of(id);
    if world.alive(of).is_none() {
        return Err(vec![not_a_choice("id")]);
    }
    let patch = read(world, kind, Some(id), item)?;
    let delete = item.get("is_deleted") == Some(&json!(true)) && world.switches.is("patch_is_deleted", "deletes");
    Ok(Change { of, patch, delete })
}

fn apply(world: &mut World, change: Change) -> u64 {
    let Change { of, patch, delete } = change;
    world.change_card(of, patch);
    if delete {
        world.delete_card(of);
    }
    of.id
}

fn changed(cx: &Cx, kind: Kind, id: u64) -> Value {
    let updated_at = cx.world.card(kind.of(id)).map(|card| card.updated_at);
    let links = cx.self_link(&format!("/api/v4/{}/{id}", kind.word()));
    json!({"id": id, "updated_at": updated_at, "_links": links})
}

pub fn change_many(cx: &mut Cx, kind: Kind) -> Answer {
    match batch::write(cx, |world, item| read_change(world, kind, None, item), apply) {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, id)| {
                let mut row = changed(cx, kind, id);
                row["request_id"] = json!(request_id);
                row
            });
            let rows: Vec<Value> = rows.collect();
            cx.written(kind.word(), &rows)
        }
        Err(answer) => answer,
    }
}

pub fn change_one(cx: &mut Cx, of: Ref) -> Answer {
    let Some(item @ Value::Object(_)) = cx.request.json() else { return rejected(wrong_type("")) };
    let read = |world: &World, item: &Value| read_change(world, of.kind, Some(of.id), item);
    match batch::write_items(cx, &[item], read, apply) {
        Ok(_) => Answer::hal(http::StatusCode::OK, &changed(cx, of.kind, of.id)),
        Err(answer) => answer,
    }
}

/// Reads one item; `id` is the card it changes, `None` for a new one.
pub fn read(world: &World, kind: Kind, id: Option<u64>, item: &Value) -> Result<CardPatch, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let mut patch = CardPatch {
        name: item.text("name"),
        responsible: item.user("responsible_user_id", world),
        created_by: item.user("created_by", world),
        updated_by: item.user("updated_by", world),
        created_at: item.number("created_at"),
        updated_at: item.number("updated_at"),
        ..CardPatch::default()
    };
    match kind {
        Kind::Contacts => {
            patch.first_name = item.text("first_name");
            patch.last_name = item.text("last_name");
        }
        Kind::Leads => read_lead(world, id, &mut item, &mut patch),
        Kind::Customers => read_customer(world, id, &mut item, &mut patch),
        Kind::Companies | Kind::CatalogElements => {}
    }
    patch.fields = field_values::read(world, Owner::Card(kind), &mut item);
    patch.tags = read_tags(world, kind, &mut item);
    item.done(patch)
}

fn read_lead(world: &World, id: Option<u64>, item: &mut Item, patch: &mut CardPatch) {
    patch.price = item.number("price");
    let current = id.and_then(|id| world.card(Kind::Leads.of(id))).and_then(|card| card.lead());
    let asked_pipeline = item.id("pipeline_id");
    let asked_status = item.id("status_id");
    if asked_pipeline.is_some_and(|id| world.funnel.pipelines.get(id).is_none()) {
        return item.fault(not_a_choice("pipeline_id"));
    }
    let pipeline = asked_pipeline
        .or_else(|| asked_status.and_then(|status| world.funnel.pipeline_of(status)))
        .or_else(|| current.map(|lead| lead.pipeline))
        .or_else(|| world.funnel.main());
    let Some((pipeline_id, pipeline)) = pipeline.and_then(|id| Some((id, world.funnel.pipelines.get(id)?))) else {
        return item.fault(not_a_choice("pipeline_id"));
    };
    if asked_status.is_some_and(|status| !pipeline.has(status)) {
        return item.fault(not_a_choice("status_id"));
    }
    let moved = current.is_none_or(|lead| lead.pipeline != pipeline_id);
    patch.pipeline = Some(pipeline_id);
    patch.status = asked_status.or_else(|| moved.then(|| pipeline.first_stage()));
    if id.is_none() && patch.status == Some(LOST) && world.switches.is("create_lost_directly", "refused") {
        item.fault(not_a_choice("status_id"));
    }
    if let Some(reason) = item.raw("loss_reason_id") {
        let reason = if reason.is_null() { None } else { id_number(reason) };
        match reason {
            Some(id) if world.funnel.loss_reasons.get(id).is_none() => item.fault(not_a_choice("loss_reason_id")),
            reason => patch.loss_reason = reason.into(),
        }
    }
    if item.raw("closed_at").is_some() {
        patch.closed_at = item.number("closed_at").into();
    }
    if id.is_none() {
        let source = item.embedded("source").and_then(|source| source.get("external_id")).and_then(Value::as_str);
        if let Some(external) = source {
            patch.source = world.sources.iter().find(|(_, row)| row.external_id == external).map(|(id, _)| id);
            if patch.source.is_none() {
                item.fault(not_a_choice("_embedded.source.external_id"));
            }
        }
        patch.contacts = read_ends(world, Kind::Contacts, item);
        patch.companies = read_ends(world, Kind::Companies, item).into_iter().map(|(id, _)| id).collect();
    }
}

/// `_embedded.contacts` and `_embedded.companies` of a new lead.
fn read_ends(world: &World, kind: Kind, item: &mut Item) -> Vec<(u64, bool)> {
    let Some(rows) = item.embedded(kind.word()) else { return Vec::new() };
    let mut ends = Vec::new();
    for (index, row) in rows.as_array().into_iter().flatten().enumerate() {
        match row.get("id").and_then(id_number).filter(|id| world.alive(kind.of(*id)).is_some()) {
            Some(id) => ends.push((id, row.get("is_main") == Some(&json!(true)))),
            None => item.fault(not_a_choice(format!("_embedded.{}.{index}.id", kind.word()))),
        }
    }
    if kind == Kind::Companies && ends.len() > 1 {
        item.fault(not_a_choice("_embedded.companies"));
    }
    ends
}

fn read_customer(world: &World, id: Option<u64>, item: &mut Item, patch: &mut CardPatch) {
    patch.next_price = item.number("next_price");
    patch.next_date = item.number("next_date");
    if id.is_none() && world.customers_mode == CustomersMode::Periodicity {
        for key in ["name", "next_date"] {
            if item.given(key).is_none() {
                item.fault(missing(key));
            }
        }
    }
    patch.periodicity = item.number("periodicity");
    patch.customer_status = item.id("status_id");
    if patch.customer_status.is_some_and(|id| world.customer_statuses.get(id).is_none()) {
        item.fault(not_a_choice("status_id"));
    }
    if id.is_none() && patch.customer_status.is_none() {
        patch.customer_status = world.customer_statuses.iter().next().map(|(id, _)| id);
    }
    match item.embedded("segments") {
        Some(Value::Null) => patch.segments = Some(Vec::new()),
        Some(rows) => {
            let mut segments = Vec::new();
            for (index, row) in rows.as_array().into_iter().flatten().enumerate() {
                match row.get("id").and_then(id_number).filter(|id| world.segments.get(*id).is_some()) {
                    Some(id) => segments.push(id),
                    None => item.fault(not_a_choice(format!("_embedded.segments.{index}.id"))),
                }
            }
            patch.segments = Some(segments);
        }
        None => {}
    }
}

fn read_tags(world: &World, kind: Kind, item: &mut Item) -> TagsPatch {
    let replace = match item.embedded("tags") {
        Some(Value::Null) => Some(Vec::new()),
        Some(rows) => Some(read_tag_list(world, kind, rows, "_embedded.tags", true, item)),
        None => None,
    };
    let mut list = |key: &str, must_exist: bool| match item.given(key) {
        Some(rows) => read_tag_list(world, kind, rows, key, must_exist, item),
        None => Vec::new(),
    };
    TagsPatch { replace, add: list("tags_to_add", true), delete: list("tags_to_delete", false) }
}

fn read_tag_list(
    world: &World,
    kind: Kind,
    rows: &Value,
    path: &str,
    must_exist: bool,
    item: &mut Item,
) -> Vec<TagRef> {
    let Some(rows) = rows.as_array() else {
        item.fault(wrong_type(path));
        return Vec::new();
    };
    let mut tags = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let id = row.get("id").filter(|id| !id.is_null());
        match (id, row.get("name").and_then(Value::as_str)) {
            (None, Some(name)) if !name.trim().is_empty() => tags.push(TagRef::Name(name.trim().to_owned())),
            (Some(id), _) => {
                let tag = id_number(id).map(TagRef::Id);
                match tag.filter(|tag| !must_exist || world.tag_book(kind).find(tag).is_some()) {
                    Some(tag) => tags.push(tag),
                    None => item.fault(not_a_choice(format!("{path}.{index}.id"))),
                }
            }
            _ => item.fault(wrong_type(format!("{path}.{index}"))),
        }
    }
    tags
}
