//! Purchases of customers, their bonus points, and how customers are kept (§2.4).

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use super::card_show::quantity;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{
    Fault, Item, id_number, missing, not_a_choice, rejected, rejection, wrong_type,
};
use crate::world::cards::CardPatch;
use crate::world::catalogs::Transaction;
use crate::world::kind::Kind;
use crate::world::{ACCOUNT_ID, CustomersMode, World};

/// `/customers/transactions…`.
pub fn all(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.transactions.iter().map(|(id, _)| id).collect();
            list(cx, &ids)
        }
        (_, []) => no_method(),
        (method, [id]) => match (method, id.parse()) {
            ("GET", Ok(id)) => one(cx, id),
            ("DELETE", Ok(id)) if cx.world.living_transaction(id).is_none() => not_found(),
            ("DELETE", Ok(id)) => {
                cx.world.delete_transaction(id);
                nothing()
            }
            (_, Ok(_)) => no_method(),
            (_, Err(_)) => cx.no_route(),
        },
        _ => cx.no_route(),
    }
}

/// `/customers/{id}/transactions…`.
pub fn of_customer(cx: &mut Cx, customer: u64, path: &[&str]) -> Answer {
    if cx.world.alive(Kind::Customers.of(customer)).is_none() {
        return not_found();
    }
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.purchases_of(customer).map(|(id, _)| id).collect();
            list(cx, &ids)
        }
        ("POST", []) => create(cx, customer),
        ("GET", [id]) => match id.parse().ok().filter(|id| is_of(cx.world, *id, customer)) {
            Some(id) => one(cx, id),
            None => nothing(),
        },
        (_, [] | [_]) => no_method(),
        _ => cx.no_route(),
    }
}

fn is_of(world: &World, id: u64, customer: u64) -> bool {
    world.transactions.get(id).is_some_and(|row| row.customer == customer)
}

fn list(cx: &mut Cx, ids: &[u64]) -> Answer {
    let wanted = cx.request.query.numbers("filter[id]");
    let asked = |id: u64| wanted.as_ref().is_none_or(|ids| ids.iter().any(|wanted| u64::try_from(*wanted) == Ok(id)));
    let shown = |id: &u64| cx.world.living_transaction(*id).is_some() && cx.world.indexed("transactions", *id);
    let ids: Vec<u64> = ids.iter().copied().filter(|id| asked(*id) && shown(id)).collect();
    cx.page("transactions", &ids, |cx, id| Some(show(cx, id, cx.world.transactions.get(id)?)))
}

fn one(cx: &mut Cx, id: u64) -> Answer {
    match cx.world.living_transaction(id) {
        Some(row) => Answer::hal(StatusCode::OK, &show(cx, id, row)),
        None => nothing(),
    }
}

fn show(cx: &Cx, id: u64, row: &Transaction) -> Value {
    let customer = row.customer;
    let elements = row.elements.iter().map(
        |(id, catalog, amount)| json!({"id": id, "metadata": {"quantity": quantity(*amount), "catalog_id": catalog}}),
    );
    let elements: Vec<Value> = elements.collect();
    json!({
        "id": id,
        "price": row.price,
        "comment": row.comment,
        "completed_at": row.completed_at,
        "customer_id": customer,
        "created_by": row.created_by,
        "updated_by": row.updated_by,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "is_deleted": false,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/customers/{customer}/transactions/{id}")),
        "_embedded": {
            "customer": {"id": customer, "_links": cx.self_link(&format!("/api/v4/customers/{customer}"))},
            "catalog_elements": elements,
        },
    })
}

struct Draft {
    row: Transaction,
    next_price: Option<i64>,
    next_date: Option<i64>,
}

fn read(world: &World, customer: u64, item: &Value) -> Result<Draft, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (now, me) = (world.clock.now(), world.actor.user);
    let price = item.number("price");
    if item.given("price").is_none() {
        item.fault(missing("price"));
    }
    let created_by = item.user("created_by", world).unwrap_or(me);
    let row = Transaction {
        customer,
        price: price.unwrap_or(0),
        comment: item.text("comment").unwrap_or_default(),
        completed_at: item.number("completed_at").unwrap_or(now),
        created_by,
        updated_by: created_by,
        created_at: item.number("created_at").unwrap_or(now),
        updated_at: now,
        elements: read_elements(world, &mut item),
    };
    let (next_price, next_date) = (item.number("next_price"), item.number("next_date"));
    item.done(Draft { row, next_price, next_date })
}

fn read_elements(world: &World, item: &mut Item) -> Vec<(u64, u64, f64)> {
    let rows = item.embedded("catalog_elements").and_then(Value::as_array);
    let mut elements = Vec::new();
    for (index, row) in rows.into_iter().flatten().enumerate() {
        let about = row.get("metadata");
        let amount = about.and_then(|about| about.get("quantity")).and_then(Value::as_f64).unwrap_or(1.0);
        let id = row.get("id").and_then(id_number);
        let catalog = id.and_then(|id| world.alive(Kind::CatalogElements.of(id))?.catalog());
        match (id, catalog) {
            (Some(id), Some(catalog)) => elements.push((id, catalog, amount)),
            _ => item.fault(not_a_choice(format!("_embedded.catalog_elements.{index}.id"))),
        }
    }
    elements
}

fn create(cx: &mut Cx, customer: u64) -> Answer {
    let apply = |world: &mut World, draft: Draft| {
        let Draft { row, next_price, next_date } = draft;
        let id = world.create_transaction(row);
        if next_price.is_some() || next_date.is_some() {
            let patch = CardPatch { next_price, next_date, ..CardPatch::default() };
            world.change_card(Kind::Customers.of(customer), patch);
        }
        id
    };
    match batch::write(cx, |world, item| read(world, customer, item), apply) {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.transactions.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written("transactions", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

/// `POST /customers/{id}/bonus_points` with `earn` or `redeem`.
pub fn bonus_points(cx: &mut Cx, customer: u64) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let Ok(mut item) = Item::read(&body) else { return rejected(wrong_type("")) };
    let (earn, redeem) = (item.number("earn"), item.number("redeem"));
    if !item.faults.is_empty() {
        return rejection(&[("0".to_owned(), item.faults)]);
    }
    let change = match (earn, redeem) {
        (Some(earn), None) if earn >= 0 => earn,
        (None, Some(redeem)) if redeem >= 0 => -redeem,
        _ => return rejected(missing("earn")),
    };
    let card = cx.world.card_mut(Kind::Customers.of(customer));
    let Some(points) = card.and_then(|card| card.customer_mut()).map(|row| &mut row.bonus_points) else {
        return not_found();
    };
    if *points + change < 0 {
        return Answer::problem(StatusCode::BAD_REQUEST, "Not enough bonus points");
    }
    *points += change;
    let points = *points;
    cx.world.did(What::Changed, "customers", customer);
    Answer::hal(StatusCode::OK, &json!({"bonus_points": points}))
}

/// `PATCH /customers/mode`.
pub fn mode(cx: &mut Cx) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let enabled = body.get("is_enabled").and_then(Value::as_bool).unwrap_or(true);
    let mode = match body.get("mode").and_then(Value::as_str) {
        Some("segments") => CustomersMode::Segments,
        Some("periodicity") => CustomersMode::Periodicity,
        _ => return rejected(not_a_choice("mode")),
    };
    cx.world.customers_mode = if enabled { mode } else { CustomersMode::Disabled };
    cx.world.did(What::Changed, "account", ACCOUNT_ID);
    Answer::hal(StatusCode::OK, &json!({"mode": mode.word(), "is_enabled": enabled}))
}
