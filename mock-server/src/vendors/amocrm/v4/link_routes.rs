//! Links: read, made and cut, of one card or of many (§2.9).

use serde_json::{Value, json};

use super::batch;
use super::card_show::{element_metadata, quantity};
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, not_a_choice};
use crate::world::World;
use crate::world::kind::{Kind, Ref};
use crate::world::linking::may_link;
use crate::world::links::ElementLink;

const ENDS: [Kind; 5] = [Kind::Contacts, Kind::Companies, Kind::Leads, Kind::Customers, Kind::CatalogElements];

pub fn read(cx: &mut Cx, of: Ref) -> Answer {
    if cx.world.alive(of).is_none() {
        return not_found();
    }
    let rows = rows(cx, of, false);
    cx.whole("links", &rows)
}

pub fn read_many(cx: &mut Cx, kind: Kind) -> Answer {
    let mut all = Vec::new();
    for id in cx.request.query.numbers("filter[entity_id]").unwrap_or_default() {
        let Some(of) = u64::try_from(id).ok().map(|id| kind.of(id)) else { continue };
        if cx.world.alive(of).is_some() {
            all.extend(rows(cx, of, true));
        }
    }
    cx.whole("links", &all)
}

fn rows(cx: &Cx, of: Ref, with_entity: bool) -> Vec<Value> {
    let query = &cx.request.query;
    let to_ids = query.numbers("filter[to_entity_id]");
    let to_kind = query.one("filter[to_entity_type]");
    let to_catalog = query.one("filter[to_catalog_id]").and_then(|id| id.parse::<u64>().ok());
    let mut shown = Vec::new();
    for kind in ENDS {
        if to_kind.is_some_and(|wanted| wanted != kind.word()) {
            continue;
        }
        for (id, main, element) in cx.world.living_links(of, kind) {
            let wanted = to_ids.as_ref().is_none_or(|ids| ids.iter().any(|wanted| u64::try_from(*wanted) == Ok(id)));
            let in_catalog = to_catalog.is_none() || element.map(|link| link.catalog) == to_catalog;
            if wanted && in_catalog {
                shown.push(row(of, kind.of(id), &metadata(of, kind, main, element), with_entity));
            }
        }
    }
    shown
}

fn row(from: Ref, to: Ref, metadata: &Value, with_entity: bool) -> Value {
    if with_entity {
        json!({"entity_id": from.id, "entity_type": from.kind.word(), "to_entity_id": to.id,
            "to_entity_type": to.kind.word(), "metadata": metadata})
    } else {
        json!({"to_entity_id": to.id, "to_entity_type": to.kind.word(), "metadata": metadata})
    }
}

/// Written as `is_main`, read as `main_contact`.
fn metadata(from: Ref, to: Kind, main: bool, element: Option<&ElementLink>) -> Value {
    let holds = |kind: Kind| matches!(kind, Kind::Leads | Kind::Customers);
    match (from.kind, to, element) {
        (_, _, Some(link)) => element_metadata(link),
        (holder, Kind::Contacts, _) | (Kind::Contacts, holder, _) if holds(holder) => json!({"main_contact": main}),
        _ => Value::Null,
    }
}

/// One item of a link or unlink body.
struct Wanted {
    from: Ref,
    to: Ref,
    main: bool,
    element: Option<ElementLink>,
}

fn read_item(world: &World, kind: Kind, id: Option<u64>, item: &Value, linking: bool) -> Result<Wanted, Vec<Fault>> {
    let empty = json!({});
    let metadata = item.get("metadata").filter(|metadata| metadata.is_object()).unwrap_or(&empty);
    let mut about = Item::read(metadata)?;
    about.user("updated_by", world);
    let main = about.yes("is_main").or_else(|| about.yes("main_contact")).unwrap_or(false);
    let (catalog, price_id) = (about.id("catalog_id"), about.id("price_id"));
    let amount = about.given("quantity").and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
    let faults = about.faults.into_iter();
    let mut faults: Vec<Fault> =
        faults.map(|fault| Fault { path: format!("metadata.{}", fault.path), ..fault }).collect();

    let from = id.or_else(|| item.get("entity_id").and_then(id_number)).map(|id| kind.of(id));
    let from = from.filter(|from| world.alive(*from).is_some());
    let to_kind = item.get("to_entity_type").and_then(Value::as_str).and_then(Kind::parse);
    let to_kind = to_kind.filter(|to| may_link(kind, *to));
    let to = to_kind.and_then(|to| item.get("to_entity_id").and_then(id_number).map(|id| to.of(id)));
    // Cutting a link to what is gone is no error; making one is.
    let to = to.filter(|to| !linking || world.alive(*to).is_some());
    if from.is_none() {
        faults.push(not_a_choice("entity_id"));
    }
    if to_kind.is_none() {
        faults.push(not_a_choice("to_entity_type"));
    } else if to.is_none() {
        faults.push(not_a_choice("to_entity_id"));
    }
    let element = to.filter(|to| to.kind == Kind::CatalogElements).and_then(|to| {
        let own = world.card(to).and_then(crate::world::card::Card::catalog);
        if linking && catalog.is_some() && catalog != own {
            faults.push(not_a_choice("metadata.catalog_id"));
        }
        Some(ElementLink { quantity: amount.unwrap_or(1.0), catalog: own?, price_id })
    });
    if let (Some(from), Some(to)) = (from, to)
        && linking
        && second_company(world, from, to)
        && world.switches.is("second_company", "refuse")
    {
        faults.push(not_a_choice("to_entity_id"));
    }
    match (from, to) {
        (Some(from), Some(to)) if faults.is_empty() => Ok(Wanted { from, to, main, element }),
        _ => Err(faults),
    }
}

/// Whether the link would give somebody another company than they have.
fn second_company(world: &World, from: Ref, to: Ref) -> bool {
    [(from, to), (to, from)].into_iter().any(|(card, company)| {
        company.kind == Kind::Companies
            && card.kind != Kind::CatalogElements
            && world.living_links(card, Kind::Companies).iter().any(|(id, ..)| *id != company.id)
    })
}

pub fn link(cx: &mut Cx, kind: Kind, id: Option<u64>) -> Answer {
    if id.is_some_and(|id| cx.world.alive(kind.of(id)).is_none()) {
        return not_found();
    }
    let made = batch::write(
        cx,
        |world, item| read_item(world, kind, id, item, true),
        |world, wanted: Wanted| {
            let Wanted { from, to, main, element } = wanted;
            world.link(from, to, main, element.clone());
            (from, to, main, element)
        },
    );
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(_, (from, to, main, element))| {
                let metadata = match (&element, to.kind) {
                    (Some(link), _) => json!({"quantity": quantity(link.quantity), "catalog_id": link.catalog}),
                    (None, Kind::Contacts) => json!({"main_contact": main}),
                    _ => Value::Null,
                };
                row(from, to, &metadata, true)
            });
            let rows: Vec<Value> = rows.collect();
            cx.whole("links", &rows)
        }
        Err(answer) => answer,
    }
}

pub fn unlink(cx: &mut Cx, kind: Kind, id: Option<u64>) -> Answer {
    if id.is_some_and(|id| cx.world.alive(kind.of(id)).is_none()) {
        return not_found();
    }
    let cut = batch::write(
        cx,
        |world, item| read_item(world, kind, id, item, false),
        |world, wanted: Wanted| world.unlink(wanted.from, wanted.to),
    );
    match cut {
        Ok(_) => nothing(),
        Err(answer) => answer,
    }
}
