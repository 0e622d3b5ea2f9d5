//! Subscriptions to webhooks (§6.1). The same destination is the same webhook.

use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, missing, not_a_choice, rejected, rejection, wrong_type};
use crate::world::ACCOUNT_ID;
use crate::world::hooks::Webhook;

const LARGEST_COUNT: usize = 100;

/// What may be subscribed to: prefixes and the objects each goes with.
const SETTINGS: [(&str, &[&str]); 7] = [
    ("add", &["lead", "contact", "company", "customer", "task", "talk", "chat_template_review"]),
    ("update", &["lead", "contact", "company", "customer", "task", "talk"]),
    ("delete", &["lead", "contact", "company", "customer", "task"]),
    ("restore", &["lead", "contact", "company"]),
    ("responsible", &["lead", "contact", "company", "customer", "task"]),
    ("status", &["lead"]),
    ("note", &["lead", "contact", "company", "customer"]),
];

pub fn route(cx: &mut Cx) -> Answer {
    match cx.request.method.as_str() {
        "GET" => list(cx),
        "POST" => subscribe(cx),
        "DELETE" => unsubscribe(cx),
        _ => no_method(),
    }
}

fn show(id: u64, hook: &Webhook) -> Value {
    json!({
        "id": id,
        "destination": hook.destination,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
        "account_id": ACCOUNT_ID,
        "created_by": hook.created_by,
        "sort": hook.sort,
        "disabled": hook.disabled,
        "settings": hook.settings,
    })
}

fn list(cx: &Cx) -> Answer {
    let wanted = cx.request.query.one("filter[destination]");
    let rows = cx.world.webhooks.iter().filter(|(_, hook)| wanted.is_none_or(|wanted| hook.destination == wanted));
    let rows: Vec<Value> = rows.map(|(id, hook)| show(id, hook)).collect();
    if rows.is_empty() { nothing() } else { cx.whole("webhooks", &rows) }
}

fn known(setting: &str) -> bool {
    let Some((action, object)) = setting.split_once('_') else { return false };
    SETTINGS.iter().any(|(prefix, objects)| *prefix == action && objects.contains(&object))
}

/// Destination, settings and sort.
fn read(body: &Value) -> Result<(String, Vec<String>, i64), Vec<Fault>> {
    let mut item = Item::read(body)?;
    let (destination, sort) = (item.text("destination"), item.number("sort").unwrap_or(10));
    let rows = item.list("settings").unwrap_or_default();
    let mut settings: Vec<String> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match row.as_str().filter(|setting| known(setting)) {
            Some(setting) => settings.push(setting.to_owned()),
            None => item.fault(not_a_choice(format!("settings.{index}"))),
        }
    }
    if item.faults.is_empty() && settings.is_empty() {
        item.fault(missing("settings"));
    }
    let is_url = |text: &String| text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some());
    match destination {
        None => item.fault(missing("destination")),
        Some(destination) if is_url(&destination) => return item.done((destination, settings, sort)),
        Some(_) => item.fault(wrong_type("destination")),
    }
    Err(item.faults)
}

fn subscribe(cx: &mut Cx) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let (destination, settings, sort) = match read(&body) {
        Ok(read) => read,
        Err(faults) => return rejection(&[("0".to_owned(), faults)]),
    };
    let (now, user) = (cx.world.clock.now(), cx.world.actor.user);
    let known = cx.world.webhooks.iter().find(|(_, hook)| hook.destination == destination).map(|(id, _)| id);
    if known.is_none() && cx.world.webhooks.len() >= LARGEST_COUNT {
        return Answer::problem(StatusCode::UNPROCESSABLE_ENTITY, "At most 100 webhooks");
    }
    let enables = cx.world.switches.on("repost_enables_webhook");
    let before = known.and_then(|id| cx.world.webhooks.get(id));
    let hook = Webhook {
        destination,
        settings,
        sort,
        disabled: before.is_some_and(|hook| hook.disabled) && !enables,
        created_by: before.map_or(user, |hook| hook.created_by),
        created_at: before.map_or(now, |hook| hook.created_at),
        updated_at: now,
    };
    let id = known.unwrap_or_else(|| cx.world.webhooks.next_id());
    let shown = show(id, &hook);
    cx.world.webhooks.put(id, hook);
    cx.world.did(if known.is_some() { What::Changed } else { What::Created }, "webhooks", id);
    Answer::hal(StatusCode::CREATED, &shown)
}

fn unsubscribe(cx: &mut Cx) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let Some(destination) = body.get("destination").and_then(Value::as_str) else {
        return rejected(missing("destination"));
    };
    let found = cx.world.webhooks.iter().find(|(_, hook)| hook.destination == destination).map(|(id, _)| id);
    let Some(id) = found else { return not_found() };
    cx.world.webhooks.remove(id);
    cx.world.did(What::Deleted, "webhooks", id);
    nothing()
}
