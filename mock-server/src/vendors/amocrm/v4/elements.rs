//! Elements of a catalog (§2.5). Writes answer with whole elements; DELETE is 405 and empty.

use http::StatusCode;
use serde_json::{Value, json};

use super::{batch, card_show, field_values};
use crate::answer::Answer;
use crate::query::Query;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::card::Card;
use crate::world::cards::CardPatch;
use crate::world::fields::Owner;
use crate::world::kind::Kind;
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx, catalog: u64, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids = cx.ordered(|cx| ordered(cx.world, catalog, &cx.request.query));
            cx.page("elements", &ids, |cx, id| Some(show(cx, id, cx.world.card(Kind::CatalogElements.of(id))?)))
        }
        ("POST", []) => create(cx, catalog),
        ("PATCH", []) => change(cx, catalog, None),
        (_, []) => no_method(),
        (method, [id]) => match (method, id.parse()) {
            ("GET", Ok(id)) => one(cx, catalog, id),
            ("PATCH", Ok(id)) => change(cx, catalog, Some(id)),
            (_, Ok(_)) => no_method(),
            (_, Err(_)) => cx.no_route(),
        },
        _ => cx.no_route(),
    }
}

fn living(world: &World, catalog: u64, id: u64) -> Option<&Card> {
    world.alive(Kind::CatalogElements.of(id)).filter(|card| card.catalog() == Some(catalog))
}

fn ordered(world: &World, catalog: u64, query: &Query) -> Vec<u64> {
    let wanted = query.numbers("filter[id]");
    let search = query.one("query").map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
    let holds = |id: u64, card: &Card| {
        let found = |text: &String| {
            card.name.to_lowercase().contains(text)
                || card.fields.iter().any(|value| value.values.to_lowercase().contains(text))
        };
        living(world, catalog, id).is_some()
            && world.indexed("catalog_elements", id)
            && wanted.as_ref().is_none_or(|ids| ids.iter().any(|wanted| u64::try_from(*wanted) == Ok(id)))
            && search.as_ref().is_none_or(found)
    };
    let mut rows: Vec<(u64, &Card)> =
        world.cards(Kind::CatalogElements).iter().filter(|(id, card)| holds(*id, card)).collect();
    if let Some(("updated_at", _)) = query.order() {
        rows.sort_by_key(|(id, card)| (card.updated_at, *id));
    }
    if let Some(("id" | "updated_at", true)) = query.order() {
        rows.reverse();
    }
    rows.into_iter().map(|(id, _)| id).collect()
}

fn show(cx: &Cx, id: u64, card: &Card) -> Value {
    let catalog = card.catalog().unwrap_or(0);
    let mut row = json!({
        "id": id,
        "catalog_id": catalog,
        "name": card.name,
        "created_by": card.created_by,
        "updated_by": card.updated_by,
        "created_at": card.created_at,
        "updated_at": card.updated_at,
        "is_deleted": false,
        "custom_fields_values": card_show::field_values(cx.world, Owner::Catalog(catalog), &card.fields),
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/catalogs/{catalog}/elements/{id}")),
    });
    if cx.request.query.asks_with("invoice_link") {
        let invoices = cx.world.catalogs.get(catalog).is_some_and(|catalog| catalog.purpose == "invoices");
        row["invoice_link"] =
            if invoices { json!(format!("{}/invoices/{id}", cx.request.base())) } else { Value::Null };
    }
    row
}

fn one(cx: &mut Cx, catalog: u64, id: u64) -> Answer {
    match living(cx.world, catalog, id) {
        Some(card) => Answer::hal(StatusCode::OK, &show(cx, id, card)),
        None if cx.world.switches.is("unknown_id", "404") => not_found(),
        None => nothing(),
    }
}

fn read(world: &World, catalog: u64, new: bool, item: &Value) -> Result<CardPatch, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let mut patch = CardPatch { name: item.text("name"), catalog: Some(catalog), ..CardPatch::default() };
    if new && patch.name.as_deref().is_none_or(str::is_empty) {
        item.fault(missing("name"));
    }
    let (created_by, updated_by) = (item.user("created_by", world), item.user("updated_by", world));
    let (created_at, updated_at) = (item.number("created_at"), item.number("updated_at"));
    if world.switches.is("note_times", "honored") {
        (patch.created_by, patch.updated_by) = (created_by, updated_by);
        (patch.created_at, patch.updated_at) = (created_at, updated_at);
    }
    patch.fields = field_values::read(world, Owner::Catalog(catalog), &mut item);
    item.done(patch)
}

fn create(cx: &mut Cx, catalog: u64) -> Answer {
    let made = batch::write(
        cx,
        |world, item| read(world, catalog, true, item),
        |world, patch| world.create_card(Kind::CatalogElements, patch),
    );
    written(cx, made)
}

fn change(cx: &mut Cx, catalog: u64, id: Option<u64>) -> Answer {
    let items = match (id, cx.request.json()) {
        (Some(_), Some(item @ Value::Object(_))) => vec![item],
        (Some(_), _) => return rejected(wrong_type("")),
        (None, _) => match batch::items(cx) {
            Ok(items) => items,
            Err(answer) => return answer,
        },
    };
    let read_one = |world: &World, item: &Value| {
        let id = id.or_else(|| item.get("id").and_then(id_number));
        let id = id.filter(|id| living(world, catalog, *id).is_some()).ok_or_else(|| vec![not_a_choice("id")])?;
        Ok((id, read(world, catalog, false, item)?))
    };
    let changed = batch::write_items(cx, &items, read_one, |world, (id, patch)| {
        world.change_card(Kind::CatalogElements.of(id), patch);
        id
    });
    match (id, changed) {
        (Some(id), Ok(_)) => one(cx, catalog, id),
        (_, changed) => written(cx, changed),
    }
}

fn written(cx: &Cx, rows: Result<Vec<(String, u64)>, Answer>) -> Answer {
    match rows {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.card(Kind::CatalogElements.of(id))?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written("elements", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}
