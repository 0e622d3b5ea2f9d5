//! How a card looks: its own fields, custom fields, and `_embedded` by `with` (§2.1-2.4).

use serde_json::{Map, Value, json};

use crate::vendors::amocrm::Cx;
use crate::world::ACCOUNT_ID;
use crate::world::World;
use crate::world::card::{Card, FieldValue, Own};
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};

pub fn show(cx: &Cx, of: Ref, card: &Card) -> Value {
    let world = &*cx.world;
    let path = format!("/api/v4/{}/{}", of.kind.word(), of.id);
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| {
        row.insert(key.to_owned(), value);
    };
    put("id", json!(of.id));
    put("name", json!(card.name));
    match &card.own {
        Own::Contact(person) => {
            put("first_name", json!(&*person.first_name));
            put("last_name", json!(&*person.last_name));
        }
        Own::Lead(lead) => put("price", json!(lead.price)),
        Own::Customer(customer) => {
            put("next_price", json!(customer.next_price));
            put("next_date", json!(customer.next_date));
        }
        Own::Company | Own::Element { .. } => {}
    }
    put("responsible_user_id", json!(card.responsible));
    put("group_id", json!(world.users.get(&card.responsible).map_or(0, |user| user.group)));
    match &card.own {
        Own::Lead(lead) => {
            put("status_id", json!(lead.status));
            put("pipeline_id", json!(lead.pipeline));
            put("loss_reason_id", json!(lead.loss_reason));
            if cx.request.query.asks_with("source_id") {
                put("source_id", json!(lead.source));
            }
        }
        Own::Customer(customer) => {
            put("status_id", json!(customer.status));
            put("periodicity", json!(customer.periodicity));
        }
        _ => {}
    }
    put("created_by", json!(card.created_by));
    put("updated_by", json!(card.updated_by));
    put("created_at", json!(card.created_at));
    put("updated_at", json!(card.updated_at));
    if let Own::Lead(lead) = &card.own {
        put("closed_at", json!(lead.closed_at));
    }
    put("closest_task_at", json!(world.closest_task_at(of)));
    put("is_deleted", json!(false));
    if of.kind == Kind::Contacts {
        put("is_unsorted", json!(false));
    }
    put("custom_fields_values", field_values(world, Owner::Card(of.kind), &card.fields));
    match &card.own {
        Own::Lead(_) => {
            put("score", Value::Null);
            put("account_id", json!(ACCOUNT_ID));
            put("labor_cost", Value::Null);
            if cx.request.query.asks_with("is_price_modified_by_robot") {
                put("is_price_modified_by_robot", json!(false));
            }
        }
        Own::Customer(_) => {
            let worth = world.worth_of(of.id);
            put("ltv", json!(worth.ltv));
            put("purchases_count", json!(worth.count));
            put("average_check", json!(worth.average_check()));
            put("account_id", json!(ACCOUNT_ID));
        }
        _ => put("account_id", json!(ACCOUNT_ID)),
    }
    put("_links", cx.self_link(&path));
    put("_embedded", embedded(cx, of, card));
    Value::Object(row)
}

/// A row of `with=only_deleted`: an id, a time, and nulls (§4).
pub fn show_deleted(cx: &Cx, of: Ref, card: &Card) -> Value {
    let mut row = show(cx, of, card);
    if let Some(row) = row.as_object_mut() {
        row.remove("_embedded");
        for (key, value) in row.iter_mut() {
            match key.as_str() {
                "id" | "updated_at" | "updated_by" | "account_id" | "_links" => {}
                // Leads say it; contacts and companies say they are not deleted.
                "is_deleted" => *value = json!(of.kind == Kind::Leads),
                _ => *value = Value::Null,
            }
        }
    }
    row
}

/// `null` for none, as the documentation shows it.
pub fn field_values(world: &World, owner: Owner, values: &[FieldValue]) -> Value {
    let rows: Vec<Value> = values.iter().filter_map(|value| field_value(world, owner, value)).collect();
    if rows.is_empty() { Value::Null } else { Value::Array(rows) }
}

fn field_value(world: &World, owner: Owner, value: &FieldValue) -> Option<Value> {
    let field = world.fields.get(owner, value.field)?;
    let mut values: Vec<Value> = serde_json::from_str(&value.values).ok()?;
    if field.value_type == "file" {
        // A trashed file disappears from fields until it is restored (§3.7).
        values.retain(|item| item["value"]["file_uuid"].as_str().is_some_and(|uuid| world.file_usable(uuid)));
    }
    if values.is_empty() {
        return None;
    }
    Some(json!({
        "field_id": value.field,
        "field_name": field.name,
        "field_code": field.code,
        "field_type": field.value_type,
        "values": values,
    }))
}

fn embedded(cx: &Cx, of: Ref, card: &Card) -> Value {
    let world = &*cx.world;
    let asks = |word: &str| cx.request.query.asks_with(word);
    let mut parts = Map::new();
    if let Own::Customer(customer) = &card.own {
        let segments = customer
            .segments
            .iter()
            .map(|id| json!({"id": id, "_links": cx.self_link(&format!("/api/v4/customers/segments/{id}"))}));
        parts.insert("segments".into(), segments.collect());
    }
    let tags = card.tags.iter().filter_map(|id| {
        let tag = world.tag_book(of.kind).get(*id)?;
        Some(json!({"id": id, "name": tag.name, "color": tag.color}))
    });
    parts.insert("tags".into(), tags.collect());
    if (matches!(of.kind, Kind::Leads | Kind::Contacts) || asks("companies")) && of.kind != Kind::Companies {
        parts.insert("companies".into(), linked(cx, of, Kind::Companies));
    }
    for kind in [Kind::Contacts, Kind::Leads, Kind::Customers] {
        if kind != of.kind && asks(kind.word()) && !(of.kind == Kind::Leads && kind == Kind::Customers) {
            parts.insert(kind.word().into(), linked(cx, of, kind));
        }
    }
    if asks("catalog_elements") {
        let rows = world.living_links(of, Kind::CatalogElements);
        let rows = rows.iter().map(|(id, _, link)| json!({"id": id, "metadata": link.map(element_metadata)}));
        parts.insert("catalog_elements".into(), rows.collect());
    }
    if let Own::Lead(lead) = &card.own {
        if asks("loss_reason") {
            let reason =
                lead.loss_reason.and_then(|id| Some(super::reasons::show(cx, id, world.funnel.loss_reasons.get(id)?)));
            parts.insert("loss_reason".into(), reason.into_iter().collect());
        }
        if asks("source") {
            let source = lead.source.and_then(|id| Some(json!({"id": id, "name": world.sources.get(id)?.name})));
            parts.insert("source".into(), source.unwrap_or_default());
        }
    }
    Value::Object(parts)
}

fn linked(cx: &Cx, of: Ref, kind: Kind) -> Value {
    let shows_main = kind == Kind::Contacts && of.kind != Kind::Companies;
    let rows = cx.world.living_links(of, kind);
    let rows = rows.iter().map(|(id, main, _)| {
        let links = cx.self_link(&format!("/api/v4/{}/{id}", kind.word()));
        if shows_main {
            json!({"id": id, "is_main": main, "_links": links})
        } else {
            json!({"id": id, "_links": links})
        }
    });
    rows.collect()
}

pub fn element_metadata(link: &crate::world::links::ElementLink) -> Value {
    let mut metadata = json!({"quantity": quantity(link.quantity), "catalog_id": link.catalog});
    if let Some(price_id) = link.price_id {
        metadata["price_id"] = json!(price_id);
    }
    metadata
}

/// Whole quantities are written without a fraction.
pub fn quantity(quantity: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "only values that are whole and small")]
    if quantity.fract() == 0.0 && quantity.abs() < 1e15 { json!(quantity as i64) } else { json!(quantity) }
}
