//! Unsorted: incoming leads, made by forms and telephony, accepted or declined (§2.13).

use http::StatusCode;
use serde_json::{Value, json};

use super::{batch, card_write};
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found};
use crate::vendors::amocrm::validate::{Fault, Item, missing, not_a_choice, rejected};
use crate::world::cards::CardPatch;
use crate::world::incoming::Incoming;
use crate::world::kind::Kind;
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => list(cx),
        ("GET", ["summary"]) => summary(cx),
        ("POST", ["forms"]) => create(cx, "forms"),
        ("POST", ["sip"]) => create(cx, "sip"),
        (_, [] | ["summary" | "forms" | "sip"]) => no_method(),
        ("GET", [uid]) => match find(cx.world, uid) {
            Some((_, row)) => Answer::hal(StatusCode::OK, &show(cx, row)),
            None => not_found(),
        },
        ("POST", [uid, "accept"]) => accept(cx, uid),
        ("DELETE", [uid, "decline"]) => decline(cx, uid),
        (_, [_, "accept" | "decline"]) => no_method(),
        // DELETE of a uid: "Cannot DELETE …", as probed.
        _ => cx.no_route(),
    }
}

fn find<'a>(world: &'a World, uid: &str) -> Option<(u64, &'a Incoming)> {
    world.incoming.iter().find(|(_, row)| row.uid == uid)
}

/// The newest first, whatever order is asked for.
fn list(cx: &mut Cx) -> Answer {
    let query = &cx.request.query;
    let (uids, categories) = (query.words("filter[uid]"), query.words("filter[category]"));
    let pipelines = query.numbers("filter[pipeline_id]");
    let wanted = |row: &Incoming| {
        uids.as_ref().is_none_or(|uids| uids.contains(&row.uid.as_str()))
            && categories.as_ref().is_none_or(|categories| categories.contains(&row.category))
            && pipelines.as_ref().is_none_or(|ids| ids.iter().any(|id| u64::try_from(*id) == Ok(row.pipeline)))
    };
    let rows = cx.world.incoming.iter().rev();
    let ids: Vec<u64> = rows.filter(|(_, row)| wanted(row)).map(|(id, _)| id).collect();
    cx.page("unsorted", &ids, |cx, id| Some(show(cx, cx.world.incoming.get(id)?)))
}

fn show(cx: &Cx, row: &Incoming) -> Value {
    json!({
        "uid": row.uid,
        "source_uid": row.source_uid,
        "source_name": row.source_name,
        "created_at": row.created_at,
        "pipeline_id": row.pipeline,
        "category": row.category,
        "metadata": row.metadata,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/leads/unsorted/{}", row.uid)),
        "_embedded": embedded(row),
    })
}

fn embedded(row: &Incoming) -> Value {
    let of = |kind: Kind| -> Vec<Value> {
        row.others.iter().filter(|other| other.kind == kind).map(|other| json!({"id": other.id})).collect()
    };
    json!({"leads": [{"id": row.lead}], "contacts": of(Kind::Contacts), "companies": of(Kind::Companies)})
}

fn summary(cx: &Cx) -> Answer {
    let count = |category: &str| cx.world.incoming.iter().filter(|(_, row)| row.category == category).count();
    let body = json!({
        "total": cx.world.incoming.len(),
        "accepted": cx.world.tally.accepted,
        "declined": cx.world.tally.declined,
        "average_sort_time": 0,
        "categories": {
            "sip": {"total": count("sip")},
            "mail": {"total": 0},
            "forms": {"total": count("forms")},
            "chats": {"total": 0},
        },
        "_links": cx.self_link(&cx.request.path),
    });
    Answer::hal(StatusCode::OK, &body)
}

struct Draft {
    row: Incoming,
    lead: CardPatch,
    others: Vec<(Kind, CardPatch)>,
}

fn read(world: &World, category: &'static str, item: &Value) -> Result<Draft, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (source_uid, source_name) = (item.text("source_uid"), item.text("source_name"));
    for key in ["source_uid", "source_name", "metadata"] {
        if item.given(key).is_none() {
            item.fault(missing(key));
        }
    }
    let pipeline = item.id("pipeline_id").or_else(|| world.funnel.main()).unwrap_or(0);
    let stage = world.funnel.pipelines.get(pipeline).and_then(crate::world::pipelines::Pipeline::unsorted_stage);
    if stage.is_none() {
        item.fault(not_a_choice("pipeline_id"));
    }
    let first = |item: &Item, kind: Kind| {
        item.embedded(kind.word()).and_then(Value::as_array).and_then(|rows| rows.first()).cloned()
    };
    let lead = first(&item, Kind::Leads).unwrap_or_else(|| json!({}));
    let mut lead = card_write::read(world, Kind::Leads, None, &lead)?;
    (lead.pipeline, lead.status) = (Some(pipeline), stage);
    let mut others = Vec::new();
    for kind in [Kind::Contacts, Kind::Companies] {
        if let Some(row) = first(&item, kind) {
            others.push((kind, card_write::read(world, kind, None, &row)?));
        }
    }
    let row = Incoming {
        uid: String::new(),
        category,
        source_uid: source_uid.unwrap_or_default(),
        source_name: source_name.unwrap_or_default(),
        pipeline,
        created_at: item.number("created_at").unwrap_or_else(|| world.clock.now()),
        metadata: item.given("metadata").cloned().unwrap_or_default(),
        lead: 0,
        others: Vec::new(),
    };
    item.done(Draft { row, lead, others })
}

fn create(cx: &mut Cx, category: &'static str) -> Answer {
    let made = batch::write(
        cx,
        |world, item| read(world, category, item),
        |world, draft: Draft| world.create_incoming(draft.row, draft.lead, draft.others),
    );
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let row = cx.world.incoming.get(id)?;
                let links = cx.self_link(&format!("/api/v4/leads/unsorted/{}", row.uid));
                Some(json!({"uid": row.uid, "account_id": ACCOUNT_ID, "request_id": request_id, "_links": links,
                    "_embedded": embedded(row)}))
            });
            cx.whole("unsorted", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

/// The user named by the body, or the token's own.
fn user(cx: &Cx, body: &Value) -> Result<u64, Answer> {
    let empty = json!({});
    let body = if body.is_object() { body } else { &empty };
    let mut item = Item::read(body).map_err(|_| not_found())?;
    let user = item.user("user_id", cx.world);
    match item.faults.pop() {
        Some(fault) => Err(rejected(fault)),
        None => Ok(user.unwrap_or(cx.world.actor.user)),
    }
}

fn accept(cx: &mut Cx, uid: &str) -> Answer {
    let Some((id, _)) = find(cx.world, uid) else { return not_found() };
    let body = cx.request.json().unwrap_or_default();
    let user = match user(cx, &body) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    let status = body.get("status_id").and_then(Value::as_u64);
    if status.is_some_and(|status| cx.world.funnel.pipeline_of(status).is_none()) {
        return rejected(not_a_choice("status_id"));
    }
    match cx.world.accept_incoming(id, status, user) {
        Some(row) => dealt_with(cx, &row),
        None => not_found(),
    }
}

fn decline(cx: &mut Cx, uid: &str) -> Answer {
    let Some((id, _)) = find(cx.world, uid) else { return not_found() };
    let body = cx.request.json().unwrap_or_default();
    let user = match user(cx, &body) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    cx.world.actor.user = user;
    match cx.world.decline_incoming(id) {
        Some(row) => dealt_with(cx, &row),
        None => not_found(),
    }
}

fn dealt_with(cx: &Cx, row: &Incoming) -> Answer {
    let body = json!({
        "uid": row.uid,
        "account_id": ACCOUNT_ID,
        "pipeline_id": row.pipeline,
        "category": row.category,
        "created_at": row.created_at,
        "_links": cx.self_link(&format!("/api/v4/leads/unsorted/{}", row.uid)),
        "_embedded": embedded(row),
    });
    Answer::hal(StatusCode::OK, &body)
}
