//! Catalogs, which amoCRM's screens call lists (§2.5). There is no delete here.

use http::StatusCode;
use serde_json::{Value, json};

use super::{batch, elements};
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::catalogs::Catalog;
use crate::world::{ACCOUNT_ID, World};

const LARGEST_COUNT: usize = 10;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.catalogs.iter().map(|(id, _)| id).collect();
            cx.page("catalogs", &ids, |cx, id| Some(show(cx, id, cx.world.catalogs.get(id)?)))
        }
        ("POST", []) => create(cx),
        ("PATCH", []) => change(cx, None),
        (_, []) => no_method(),
        (_, [id, rest @ ..]) => {
            let Ok(id) = id.parse::<u64>() else { return cx.no_route() };
            match (method, rest) {
                ("GET", []) => match cx.world.catalogs.get(id) {
                    Some(catalog) => Answer::hal(StatusCode::OK, &show(cx, id, catalog)),
                    None if cx.world.switches.is("unknown_id", "404") => not_found(),
                    None => nothing(),
                },
                ("PATCH", []) => change(cx, Some(id)),
                (_, []) => no_method(),
                (_, ["elements", ..]) if cx.world.catalogs.get(id).is_none() => not_found(),
                (_, ["elements", rest @ ..]) => elements::route(cx, id, rest),
                _ => cx.no_route(),
            }
        }
    }
}

fn show(cx: &Cx, id: u64, catalog: &Catalog) -> Value {
    json!({
        "id": id,
        "name": catalog.name,
        "created_by": catalog.created_by,
        "updated_by": catalog.updated_by,
        "created_at": catalog.created_at,
        "updated_at": catalog.updated_at,
        "sort": catalog.sort,
        "type": catalog.purpose,
        "can_add_elements": catalog.can_add_elements,
        "can_show_in_cards": catalog.can_show_in_cards,
        "can_link_multiple": catalog.can_link_multiple,
        "can_be_deleted": catalog.purpose == "regular",
        "sdk_widget_code": null,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/catalogs/{id}")),
    })
}

#[derive(Default)]
struct Draft {
    name: Option<String>,
    purpose: Option<String>,
    sort: Option<i64>,
    can_add_elements: Option<bool>,
    can_link_multiple: Option<bool>,
}

fn read(world: &World, new: bool, item: &Value) -> Result<Draft, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let draft = Draft {
        name: item.text("name"),
        purpose: item.text("type").filter(|_| new),
        sort: item.number("sort"),
        can_add_elements: item.yes("can_add_elements"),
        can_link_multiple: item.yes("can_link_multiple"),
    };
    if new && draft.name.as_deref().is_none_or(str::is_empty) {
        item.fault(missing("name"));
    }
    // There is one list of invoices and one of products in an account.
    let taken = |purpose: &str| world.catalogs.iter().any(|(_, catalog)| catalog.purpose == purpose);
    match draft.purpose.as_deref() {
        None | Some("regular" | "suppliers") => {}
        Some(purpose @ ("invoices" | "products")) if !taken(purpose) => {}
        Some(_) => item.fault(not_a_choice("type")),
    }
    item.done(draft)
}

fn apply(world: &mut World, id: u64, draft: Draft) {
    let (now, user) = (world.clock.now(), world.actor.user);
    let Some(catalog) = world.catalogs.get_mut(id) else { return };
    catalog.name = draft.name.unwrap_or_else(|| catalog.name.clone());
    catalog.sort = draft.sort.unwrap_or(catalog.sort);
    catalog.can_add_elements = draft.can_add_elements.unwrap_or(catalog.can_add_elements);
    catalog.can_link_multiple = draft.can_link_multiple.unwrap_or(catalog.can_link_multiple);
    (catalog.updated_at, catalog.updated_by) = (now, user);
}

fn create(cx: &mut Cx) -> Answer {
    let items = match batch::items(cx) {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    if cx.world.catalogs.len() + items.len() > LARGEST_COUNT {
        return Answer::problem(StatusCode::BAD_REQUEST, "At most 10 lists");
    }
    let apply_new = |world: &mut World, draft: Draft| {
        let (id, now, user) = (world.catalogs.next_id(), world.clock.now(), world.actor.user);
        let catalog = Catalog {
            name: String::new(),
            purpose: draft.purpose.clone().unwrap_or_else(|| "regular".to_owned()),
            sort: 10,
            created_by: user,
            updated_by: user,
            created_at: now,
            updated_at: now,
            can_add_elements: false,
            can_link_multiple: true,
            can_show_in_cards: false,
        };
        world.catalogs.put(id, catalog);
        apply(world, id, draft);
        world.did(What::Created, "catalogs", id);
        id
    };
    let made = batch::write_items(cx, &items, |world, item| read(world, true, item), apply_new);
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
        let id = id.or_else(|| item.get("id").and_then(id_number)).filter(|id| world.catalogs.get(*id).is_some());
        Ok((id.ok_or_else(|| vec![not_a_choice("id")])?, read(world, false, item)?))
    };
    let changed = batch::write_items(cx, &items, read_one, |world, (id, draft)| {
        apply(world, id, draft);
        world.did(What::Changed, "catalogs", id);
        id
    });
    match (id.and_then(|id| Some((id, cx.world.catalogs.get(id)?))), changed) {
        (Some((id, catalog)), Ok(_)) => Answer::hal(StatusCode::OK, &show(cx, id, catalog)),
        (_, changed) => written(cx, changed),
    }
}

fn written(cx: &Cx, rows: Result<Vec<(String, u64)>, Answer>) -> Answer {
    match rows {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.catalogs.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written("catalogs", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}
