//! Tags of a kind of record (§2.8). There is no way to change or delete one.

use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::no_method;
use crate::vendors::amocrm::validate::{Fault, Item, missing};
use crate::world::World;
use crate::world::kind::Kind;
use crate::world::tags::Tag;

pub fn route(cx: &mut Cx, kind: Kind) -> Answer {
    match cx.request.method.as_str() {
        "GET" => list(cx, kind),
        "POST" => create(cx, kind),
        _ => no_method(),
    }
}

fn show(kind: Kind, id: u64, tag: &Tag) -> Value {
    let mut row = json!({"id": id, "name": tag.name});
    if kind == Kind::Leads {
        row["color"] = json!(tag.color);
    }
    row
}

fn list(cx: &mut Cx, kind: Kind) -> Answer {
    let query = &cx.request.query;
    let (ids, names) = (query.numbers("filter[id]"), query.words("filter[name]"));
    let search = query.one("query").map(str::to_lowercase);
    let wanted = |id: u64, tag: &Tag| {
        ids.as_ref().is_none_or(|ids| ids.iter().any(|wanted| u64::try_from(*wanted) == Ok(id)))
            && names.as_ref().is_none_or(|names| names.contains(&tag.name.as_str()))
            && search.as_ref().is_none_or(|text| tag.name.to_lowercase().contains(text))
    };
    let found: Vec<u64> =
        cx.world.tag_book(kind).iter().filter(|(id, tag)| wanted(*id, tag)).map(|(id, _)| id).collect();
    cx.page("tags", &found, |cx, id| Some(show(kind, id, cx.world.tag_book(kind).get(id)?)))
}

fn read(item: &Value) -> Result<(String, Option<String>), Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (name, color) = (item.text("name"), item.text("color"));
    match name.filter(|name| !name.trim().is_empty()) {
        Some(name) => item.done((name, color)),
        None => Err(vec![missing("name")]),
    }
}

/// A name that exists gives its id.
fn create(cx: &mut Cx, kind: Kind) -> Answer {
    let made = batch::write(
        cx,
        |_, item| read(item),
        |world: &mut World, (name, color)| world.ensure_tag(kind, &name, color.filter(|_| kind == Kind::Leads)),
    );
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(kind, id, cx.world.tag_book(kind).get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            let rows: Vec<Value> = rows.collect();
            cx.whole("tags", &rows)
        }
        Err(answer) => answer,
    }
}
