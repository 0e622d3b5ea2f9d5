//! `POST /leads/complex`: leads with a contact and a company each, through duplicate control (§2.1).

use http::StatusCode;
use serde_json::{Value, json};

use super::{batch, card_write};
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::no_method;
use crate::vendors::amocrm::validate::{Fault, id_number, not_a_choice, wrong_type};
use crate::world::World;
use crate::world::card::Card;
use crate::world::cards::{CardPatch, FieldsPatch};
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};
use crate::world::pipelines::{LOST, WON};

const LARGEST_BATCH: usize = 50;

/// The other end of a new lead: there already, or to be made.
enum End {
    Known(u64),
    New(Box<CardPatch>),
}

struct Draft {
    lead: CardPatch,
    contact: Option<End>,
    company: Option<End>,
}

#[derive(Clone, Copy)]
struct Made {
    lead: u64,
    contact: Option<u64>,
    company: Option<u64>,
    merged: bool,
}

pub fn route(cx: &mut Cx) -> Answer {
    if cx.request.method != http::Method::POST {
        return no_method();
    }
    let items = match batch::items(cx) {
        Ok(items) if items.len() > LARGEST_BATCH => {
            return Answer::problem(StatusCode::BAD_REQUEST, "At most 50 leads in one request");
        }
        Ok(items) => items,
        Err(answer) => return answer,
    };
    match batch::write_items(cx, &items, read, apply) {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, made)| {
                json!({"id": made.lead, "contact_id": made.contact, "company_id": made.company,
                    "request_id": [request_id], "merged": made.merged})
            });
            Answer::hal(StatusCode::OK, &rows.collect())
        }
        Err(answer) => answer,
    }
}

fn read(world: &World, item: &Value) -> Result<Draft, Vec<Fault>> {
    let mut lead = item.clone();
    if let Some(parts) = lead.get_mut("_embedded").and_then(Value::as_object_mut) {
        parts.remove("contacts");
        parts.remove("companies");
    }
    let mut patch = card_write::read(world, Kind::Leads, None, &lead)?;
    if item["_embedded"].get("metadata").is_some() {
        let pipeline = patch.pipeline.and_then(|id| world.funnel.pipelines.get(id));
        patch.status = pipeline.and_then(crate::world::pipelines::Pipeline::unsorted_stage).or(patch.status);
    }
    let (contact, company) = (read_end(world, Kind::Contacts, item)?, read_end(world, Kind::Companies, item)?);
    Ok(Draft { lead: patch, contact, company })
}

fn read_end(world: &World, kind: Kind, item: &Value) -> Result<Option<End>, Vec<Fault>> {
    let path = format!("_embedded.{}", kind.word());
    let rows = match &item["_embedded"][kind.word()] {
        Value::Null => return Ok(None),
        Value::Array(rows) if rows.len() <= 1 => rows,
        _ => return Err(vec![wrong_type(path)]),
    };
    let Some(row) = rows.first() else { return Ok(None) };
    match row.get("id").and_then(id_number) {
        Some(id) if world.alive(kind.of(id)).is_some() => Ok(Some(End::Known(id))),
        Some(_) => Err(vec![not_a_choice(format!("{path}.0.id"))]),
        None => Ok(Some(End::New(Box::new(card_write::read(world, kind, None, row)?)))),
    }
}

fn apply(world: &mut World, draft: Draft) -> Made {
    let Draft { mut lead, contact, company } = draft;
    let double = match &contact {
        Some(End::New(patch)) if world.switches.on("duplicate_control") => same_person(world, patch),
        _ => None,
    };
    let contact = match (contact, double) {
        (Some(_), Some(id)) => Some(id),
        (contact, None) => contact.map(|end| settle(world, Kind::Contacts, end)),
        (None, Some(_)) => None,
    };
    let company = company.map(|end| settle(world, Kind::Companies, end));
    let open = double.and_then(|id| open_lead_of(world, Kind::Contacts.of(id), lead.pipeline));
    if let Some(of) = open {
        // A lead of this person is open there: it takes the news.
        (lead.status, lead.pipeline) = (None, None);
        world.change_card(of, lead);
        return Made { lead: of.id, contact, company, merged: true };
    }
    lead.contacts = contact.map(|id| (id, true)).into_iter().collect();
    lead.companies = company.into_iter().collect();
    Made { lead: world.create_card(Kind::Leads, lead), contact, company, merged: false }
}

fn settle(world: &mut World, kind: Kind, end: End) -> u64 {
    match end {
        End::Known(id) => id,
        End::New(patch) => world.create_card(kind, *patch),
    }
}

/// Phones by their last ten digits, e-mail addresses without case.
fn keys(world: &World, values: impl Iterator<Item = (u64, String)>) -> Vec<String> {
    let owner = Owner::Card(Kind::Contacts);
    let (phone, email) = (world.fields.by_code(owner, "PHONE"), world.fields.by_code(owner, "EMAIL"));
    let mut keys = Vec::new();
    for (field, text) in values {
        let items: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        for value in items.iter().filter_map(|item| item["value"].as_str()) {
            if Some(field) == phone {
                keys.extend(super::calls::last_digits(value));
            } else if Some(field) == email {
                keys.push(value.to_lowercase());
            }
        }
    }
    keys
}

fn same_person(world: &World, patch: &CardPatch) -> Option<u64> {
    let FieldsPatch::Set(changes) = &patch.fields else { return None };
    let given = changes.iter().filter_map(|(field, text)| Some((*field, text.as_deref()?.to_owned())));
    let wanted = keys(world, given);
    let of = |card: &Card| keys(world, card.fields.iter().map(|value| (value.field, value.values.to_string())));
    let same = |card: &Card| of(card).iter().any(|key| wanted.contains(key));
    let alive = |id: u64| world.alive(Kind::Contacts.of(id)).is_some();
    world.cards(Kind::Contacts).iter().find(|(id, card)| alive(*id) && same(card)).map(|(id, _)| id)
}

fn open_lead_of(world: &World, contact: Ref, pipeline: Option<u64>) -> Option<Ref> {
    let leads = world.living_links(contact, Kind::Leads).into_iter().map(|(id, ..)| Kind::Leads.of(id));
    leads.into_iter().find(|of| {
        let lead = world.card(*of).and_then(Card::lead);
        lead.is_some_and(|lead| Some(lead.pipeline) == pipeline && !matches!(lead.status, WON | LOST))
    })
}
