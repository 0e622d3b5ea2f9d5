//! Small nouns: widgets, chat templates, talks, short links, subscriptions (§2.14). Each as small as honest.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice, rejected, wrong_type};
use crate::world::channels::{Template, Widget};
use crate::world::kind::{Kind, Ref};
use crate::world::{ACCOUNT_ID, World};

pub fn widgets(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.widgets.iter().map(|(id, _)| id).collect();
            cx.page("widgets", &ids, |cx, id| Some(show_widget(cx, id, cx.world.widgets.get(id)?)))
        }
        (_, []) => no_method(),
        (method, [code]) => {
            let found = cx.world.widgets.iter().find(|(_, widget)| widget.code == *code).map(|(id, _)| id);
            let Some(id) = found else { return not_found() };
            match method {
                "GET" => shown_widget(cx, id),
                "POST" => {
                    let settings = cx.request.json().filter(Value::is_object).unwrap_or_else(|| json!({}));
                    set_widget(cx.world, id, Some(settings));
                    shown_widget(cx, id)
                }
                "DELETE" => {
                    set_widget(cx.world, id, None);
                    nothing()
                }
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn set_widget(world: &mut World, id: u64, settings: Option<Value>) {
    let what = if settings.is_some() { What::Changed } else { What::Deleted };
    if let Some(widget) = world.widgets.get_mut(id) {
        widget.settings = settings;
    }
    world.did(what, "widgets", id);
}

fn shown_widget(cx: &Cx, id: u64) -> Answer {
    match cx.world.widgets.get(id) {
        Some(widget) => Answer::hal(StatusCode::OK, &show_widget(cx, id, widget)),
        None => not_found(),
    }
}

fn show_widget(cx: &Cx, id: u64, widget: &Widget) -> Value {
    json!({
        "id": id,
        "code": widget.code,
        "version": "1.0.0",
        "is_active_in_account": widget.settings.is_some(),
        "settings": widget.settings,
        "_links": cx.self_link(&format!("/api/v4/widgets/{}", widget.code)),
    })
}

pub fn templates(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.templates.iter().map(|(id, _)| id).collect();
            cx.page("chat_templates", &ids, |cx, id| Some(show_template(cx, id, cx.world.templates.get(id)?)))
        }
        ("POST", []) => {
            let made = batch::write(
                cx,
                |world, item| read_template(world, None, item),
                |world: &mut World, row| {
                    let id = world.templates.next_id();
                    world.templates.put(id, row);
                    world.did(What::Created, "chat_templates", id);
                    id
                },
            );
            written_templates(cx, made)
        }
        ("PATCH", []) => change_templates(cx, None),
        ("DELETE", []) => {
            let Some(Value::Array(items)) = cx.request.json() else { return rejected(wrong_type("")) };
            let ids: Vec<u64> = items.iter().filter_map(|item| item.get("id").and_then(id_number)).collect();
            let happen = cx.portion.of(ids.len());
            for id in ids.into_iter().take(happen) {
                delete_template(cx.world, id);
            }
            nothing()
        }
        (_, []) => no_method(),
        (method, [id]) => {
            let Ok(id) = id.parse() else { return cx.no_route() };
            let Some(row) = cx.world.templates.get(id) else { return not_found() };
            match method {
                "GET" => Answer::hal(StatusCode::OK, &show_template(cx, id, row)),
                "PATCH" => change_templates(cx, Some(id)),
                "DELETE" => {
                    delete_template(cx.world, id);
                    nothing()
                }
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn delete_template(world: &mut World, id: u64) {
    if world.templates.remove(id).is_some() {
        world.did(What::Deleted, "chat_templates", id);
    }
}

fn show_template(cx: &Cx, id: u64, row: &Template) -> Value {
    json!({
        "id": id,
        "name": row.name,
        "content": row.content,
        "external_id": row.external_id,
        "type": "amocrm",
        "is_editable": true,
        "buttons": [],
        "attachment": null,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/chats/templates/{id}")),
    })
}

fn read_template(world: &World, id: Option<u64>, item: &Value) -> Result<Template, Vec<Fault>> {
    let before = id.and_then(|id| world.templates.get(id));
    let mut item = Item::read(item)?;
    let now = world.clock.now();
    let (name, content) = (item.text("name"), item.text("content"));
    for (key, given) in [("name", &name), ("content", &content)] {
        if before.is_none() && given.is_none() {
            item.fault(missing(key));
        }
    }
    let row = Template {
        name: name.or(before.map(|row| row.name.clone())).unwrap_or_default(),
        content: content.or(before.map(|row| row.content.clone())).unwrap_or_default(),
        external_id: item.text("external_id").or(before.and_then(|row| row.external_id.clone())),
        created_at: before.map_or(now, |row| row.created_at),
        updated_at: now,
    };
    item.done(row)
}

fn change_templates(cx: &mut Cx, id: Option<u64>) -> Answer {
    let items = match (id, cx.request.json()) {
        (Some(_), Some(item @ Value::Object(_))) => vec![item],
        (Some(_), _) => return rejected(wrong_type("")),
        (None, _) => match batch::items(cx) {
            Ok(items) => items,
            Err(answer) => return answer,
        },
    };
    let read_one = |world: &World, item: &Value| {
        let id = id.or_else(|| item.get("id").and_then(id_number)).filter(|id| world.templates.get(*id).is_some());
        let id = id.ok_or_else(|| vec![not_a_choice("id")])?;
        Ok((id, read_template(world, Some(id), item)?))
    };
    let changed = batch::write_items(cx, &items, read_one, |world, (id, row)| {
        world.templates.put(id, row);
        world.did(What::Changed, "chat_templates", id);
        id
    });
    written_templates(cx, changed)
}

fn written_templates(cx: &Cx, rows: Result<Vec<(String, u64)>, Answer>) -> Answer {
    match rows {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show_template(cx, id, cx.world.templates.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            cx.written("chat_templates", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

/// `/talks/{id}`, and closing one.
pub fn talk(cx: &mut Cx, id: &str, path: &[&str]) -> Answer {
    let Some((id, row)) = id.parse().ok().and_then(|id| Some((id, cx.world.talks.get(id)?))) else {
        return not_found();
    };
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let body = json!({
                "talk_id": id,
                "created_at": row.created_at,
                "updated_at": row.updated_at,
                "rate": 0,
                "contact_id": row.contact,
                "chat_id": row.chat,
                "entity_id": row.lead,
                "entity_type": row.lead.map(|_| "lead"),
                "is_in_work": row.in_work,
                "is_read": true,
                "origin": row.origin,
                "missed_at": null,
                "account_id": ACCOUNT_ID,
                "_links": cx.self_link(&format!("/api/v4/talks/{id}")),
            });
            Answer::hal(StatusCode::OK, &body)
        }
        ("POST", ["close"]) if !row.in_work => {
            Answer::problem(StatusCode::UNPROCESSABLE_ENTITY, "Talk is already closed")
        }
        ("POST", ["close"]) => {
            let now = cx.world.clock.now();
            if let Some(row) = cx.world.talks.get_mut(id) {
                (row.in_work, row.updated_at) = (false, now);
            }
            cx.world.did(What::Changed, "talks", id);
            Answer::empty(StatusCode::ACCEPTED)
        }
        (_, [] | ["close"]) => no_method(),
        _ => cx.no_route(),
    }
}

/// A short link has no id and cannot be found again.
pub fn short_links(cx: &mut Cx) -> Answer {
    if cx.request.method != http::Method::POST {
        return no_method();
    }
    let read = |world: &World, item: &Value| -> Result<Ref, Vec<Fault>> {
        let about = &item["metadata"];
        let kind = about["entity_type"].as_str().and_then(Kind::card);
        let of = kind.and_then(|kind| Some(kind.of(about["entity_id"].as_u64()?)));
        let of = of.filter(|of| world.alive(*of).is_some()).ok_or_else(|| vec![not_a_choice("metadata.entity_id")])?;
        if item["url"].as_str().is_none_or(str::is_empty) {
            return Err(vec![missing("url")]);
        }
        Ok(of)
    };
    let made = batch::write(cx, read, |world: &mut World, of| {
        let link = world.short_link();
        world.did(What::Created, "short_links", &link);
        (of, link)
    });
    match made {
        Ok(rows) => {
            let rows = rows.into_iter().map(|(request_id, (of, link))| {
                json!({"url": format!("https://amo.sh/{link}"), "account_id": ACCOUNT_ID, "entity_id": of.id,
                    "entity_type": of.kind.word(), "request_id": request_id})
            });
            cx.whole("short_links", &rows.collect::<Vec<_>>())
        }
        Err(answer) => answer,
    }
}

/// Who follows a record. Nobody can change that through the API, so it follows from the record.
pub fn subscriptions(cx: &mut Cx, of: Ref) -> Answer {
    let Some(card) = cx.world.alive(of) else { return not_found() };
    let mut followers = vec![card.responsible, card.created_by];
    followers.dedup();
    cx.page("subscriptions", &followers, |_, id| Some(json!({"subscriber_id": id, "type": "user"})))
}
