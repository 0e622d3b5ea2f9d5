//! `POST /calls`: finds whom a call was with by the last ten digits, and leaves a note there (§2.7, §10.20).

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::validate::{Fault, Item, missing, not_a_choice};
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};
use crate::world::timeline::Note;
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx) -> Answer {
    if cx.request.method != http::Method::POST {
        return cx.no_route();
    }
    let made = batch::write(cx, read, |world, (of, note): (Option<Ref>, Note)| {
        let of = of?;
        Some((of, world.create_note(note)))
    });
    let rows = match made {
        Ok(rows) => rows,
        Err(answer) => return answer,
    };
    let (mut calls, mut errors) = (Vec::new(), Vec::new());
    for (request_id, made) in rows {
        match made {
            Some((of, id)) => calls.push(json!({"id": id, "entity_id": of.id, "entity_type": of.kind.single(),
                "account_id": ACCOUNT_ID, "request_id": request_id})),
            None => errors.push(json!({"request_id": request_id, "title": "Entity not found", "status": 263,
                "detail": "Entity not found"})),
        }
    }
    let status = if calls.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let body = json!({"_total_items": calls.len(), "errors": errors, "_embedded": {"calls": calls}});
    Answer::hal(status, &body)
}

fn read(world: &World, item: &Value) -> Result<(Option<Ref>, Note), Vec<Fault>> {
    let mut item = Item::read(item)?;
    let phone = item.text("phone");
    for key in ["direction", "duration", "source", "phone"] {
        if item.given(key).is_none() {
            item.fault(missing(key));
        }
    }
    let note_type = match item.text("direction").as_deref() {
        Some("inbound") => "call_in",
        Some("outbound") => "call_out",
        _ => {
            item.fault(not_a_choice("direction"));
            "call_in"
        }
    };
    let mut params = json!({});
    for key in ["uniq", "duration", "source", "link", "phone", "call_responsible", "call_result", "call_status"] {
        if let Some(value) = item.given(key) {
            params[key] = value.clone();
        }
    }
    let (created_by, responsible) = (item.user("created_by", world), item.user("responsible_user_id", world));
    let (me, now) = (world.actor.user, world.clock.now());
    let created_at = item.number("created_at").unwrap_or(now);
    let of = phone.and_then(|phone| whose(world, &phone));
    let note = Note {
        of: of.unwrap_or(Kind::Contacts.of(0)),
        note_type: note_type.into(),
        params: params.to_string().into(),
        responsible: responsible.unwrap_or(me),
        created_by: created_by.unwrap_or(me),
        updated_by: created_by.unwrap_or(me),
        created_at,
        updated_at: now,
        pinned: false,
    };
    item.done((of, note))
}

/// `None` for what is too short to be a phone number.
pub fn last_digits(phone: &str) -> Option<String> {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().checked_sub(10)?;
    Some(digits.into_iter().skip(from).collect())
}

/// The first living contact, or else company, with this number.
fn whose(world: &World, phone: &str) -> Option<Ref> {
    let wanted = last_digits(phone)?;
    [Kind::Contacts, Kind::Companies].into_iter().find_map(|kind| {
        let field = world.fields.by_code(Owner::Card(kind), "PHONE")?;
        let found = world.cards(kind).iter().find(|(id, card)| {
            let values = card.fields.iter().find(|value| value.field == field);
            let items: Vec<Value> =
                values.and_then(|value| serde_json::from_str(&value.values).ok()).unwrap_or_default();
            let mut phones = items.iter().filter_map(|item| last_digits(item["value"].as_str()?));
            world.alive(kind.of(*id)).is_some() && phones.any(|phone| phone == wanted)
        });
        found.map(|(id, _)| kind.of(id))
    })
}
