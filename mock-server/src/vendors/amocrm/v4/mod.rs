//! API v4: one file a noun; this one is the list of routes.
//!
//! | file | is |
//! | --- | --- |
//! | `batch` | writes of many items |
//! | `account, users, roles` | who works here |
//! | `card_read, card_filter, card_show, card_write` | leads, contacts, companies, customers |
//! | `complex, unsorted` | leads that come in by other ways |
//! | `pipelines, reasons` | where leads stand and why they were lost |
//! | `customers, transactions` | segments and stages of customers, purchases, points, modes |
//! | `catalogs, elements` | lists |
//! | `fields, field_schema, field_values` | custom fields: routes, definitions, values |
//! | `notes, note_filter, tasks, calls` | the timeline |
//! | `tags, link_routes, files` | what hangs on a record |
//! | `events, event_types, webhooks` | what happened |
//! | `sources, channels` | small nouns |

mod account;
mod batch;
mod calls;
mod card_filter;
mod card_read;
mod card_show;
mod card_write;
mod catalogs;
mod channels;
mod complex;
mod customers;
mod elements;
mod event_types;
mod events;
mod field_schema;
mod field_values;
mod fields;
mod files;
mod link_routes;
mod note_filter;
mod notes;
pub mod pipelines;
mod reasons;
mod roles;
mod sources;
mod tags;
mod tasks;
mod transactions;
mod unsorted;
mod users;
mod webhooks;

use http::StatusCode;
use serde_json::Value;

use super::Cx;
use super::hal::no_method;
use crate::answer::Answer;
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};
use crate::world::{CustomersMode, World};

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    if admins_only(cx, path) && !cx.world.users.get(&cx.world.actor.user).is_some_and(|user| user.admin) {
        return Answer::problem(StatusCode::FORBIDDEN, "Недостаточно прав");
    }
    match path {
        ["customers", "mode"] => match cx.request.method.as_str() {
            "PATCH" => transactions::mode(cx),
            _ => no_method(),
        },
        ["customers", ..] if cx.world.customers_mode == CustomersMode::Disabled => {
            Answer::problem(StatusCode::UNPROCESSABLE_ENTITY, "Customers are switched off")
        }
        ["customers", "transactions", rest @ ..] => transactions::all(cx, rest),
        ["files", uuid, "links"] => files::holders(cx, uuid),
        ["account"] => account::answer(cx),
        ["users", rest @ ..] => users::route(cx, rest),
        ["roles", rest @ ..] => roles::route(cx, rest),
        ["leads", "complex"] => complex::route(cx),
        ["leads", "unsorted", rest @ ..] => unsorted::route(cx, rest),
        ["calls"] => calls::route(cx),
        ["sources", rest @ ..] => sources::route(cx, rest),
        ["widgets", rest @ ..] => channels::widgets(cx, rest),
        ["chats", "templates", rest @ ..] => channels::templates(cx, rest),
        ["talks", id, rest @ ..] => channels::talk(cx, id, rest),
        ["short_links"] => channels::short_links(cx),
        ["leads", "pipelines", rest @ ..] => pipelines::route(cx, rest),
        ["leads", "loss_reasons", rest @ ..] => reasons::route(cx, rest),
        ["customers", "segments", rest @ ..] if !rest.contains(&"custom_fields") => customers::segments(cx, rest),
        ["customers", "statuses", rest @ ..] => customers::statuses(cx, rest),
        ["customers", "segments", "custom_fields", rest @ ..] => fields::route(cx, Owner::Segments, rest),
        ["catalogs", id, "custom_fields", rest @ ..] => match id.parse() {
            Ok(id) if cx.world.catalogs.get(id).is_some() => fields::route(cx, Owner::Catalog(id), rest),
            _ => super::hal::not_found(),
        },
        ["events", rest @ ..] => events::route(cx, rest),
        ["webhooks"] => webhooks::route(cx),
        ["catalogs", rest @ ..] => catalogs::route(cx, rest),
        ["tasks", rest @ ..] => tasks::route(cx, rest),
        [word, rest @ ..] => match Kind::card(word) {
            Some(kind) => card(cx, kind, rest),
            None => cx.no_route(),
        },
        [] => cx.no_route(),
    }
}

/// Changes of the account's set-up, and the list of its users.
fn admins_only(cx: &Cx, path: &[&str]) -> bool {
    let reads = cx.request.method == http::Method::GET;
    match path {
        ["users"] => true,
        ["leads", "pipelines" | "loss_reasons", ..]
        | ["customers", "segments" | "statuses" | "mode", ..]
        | ["users" | "roles" | "webhooks" | "sources", ..] => !reads,
        _ => !reads && path.contains(&"custom_fields"),
    }
}

/// What leads, contacts, companies and customers have in common.
fn card(cx: &mut Cx, kind: Kind, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => card_read::list(cx, kind),
        ("POST", []) => card_write::create(cx, kind),
        ("PATCH", []) => card_write::change_many(cx, kind),
        ("GET", ["links"]) => link_routes::read_many(cx, kind),
        ("POST", ["link"]) => link_routes::link(cx, kind, None),
        ("POST", ["unlink"]) => link_routes::unlink(cx, kind, None),
        (_, [] | ["links" | "link" | "unlink"]) => no_method(),
        (_, ["notes", rest @ ..]) => notes::route(cx, kind, None, rest),
        (_, ["tags"]) => tags::route(cx, kind),
        (_, ["custom_fields", rest @ ..]) => fields::route(cx, Owner::Card(kind), rest),
        (_, [id, rest @ ..]) => match id.parse() {
            Ok(id) => one(cx, kind.of(id), rest),
            Err(_) => cx.no_route(),
        },
    }
}

fn one(cx: &mut Cx, of: Ref, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => card_read::one(cx, of),
        ("PATCH", []) => card_write::change_one(cx, of),
        ("GET", ["links"]) => link_routes::read(cx, of),
        ("POST", ["link"]) => link_routes::link(cx, of.kind, Some(of.id)),
        ("POST", ["unlink"]) => link_routes::unlink(cx, of.kind, Some(of.id)),
        (_, [] | ["links" | "link" | "unlink"]) => no_method(),
        (_, ["notes", rest @ ..]) => notes::route(cx, of.kind, Some(of.id), rest),
        ("GET", ["subscriptions"]) if matches!(of.kind, Kind::Leads | Kind::Customers) => {
            channels::subscriptions(cx, of)
        }
        (_, ["files"]) => files::of_record(cx, of),
        (_, ["transactions", rest @ ..]) if of.kind == Kind::Customers => transactions::of_customer(cx, of.id, rest),
        ("POST", ["bonus_points"]) if of.kind == Kind::Customers => transactions::bonus_points(cx, of.id),
        _ => cx.no_route(),
    }
}

/// A person edits a card on the screen: the same fields as PATCH, in plain words when they are wrong.
pub fn edit_card(world: &mut World, of: Ref, fields: &Value) -> Result<bool, String> {
    if world.alive(of).is_none() {
        return Ok(false);
    }
    let patch = card_write::read(world, of.kind, Some(of.id), fields).map_err(|faults| in_words(&faults))?;
    world.change_card(of, patch);
    Ok(true)
}

pub fn edit_task(world: &mut World, id: u64, fields: &Value) -> Result<bool, String> {
    if world.living_task(id).is_none() {
        return Ok(false);
    }
    let task = tasks::read(world, Some(id), fields).map_err(|faults| in_words(&faults))?;
    world.change_task(id, &task);
    Ok(true)
}

pub fn edit_note(world: &mut World, id: u64, fields: &Value) -> Result<bool, String> {
    let Some(kind) = world.living_note(id).map(|note| note.of.kind) else { return Ok(false) };
    let change = notes::read_change(world, kind, Some(id), fields).map_err(|faults| in_words(&faults))?;
    notes::apply_change(world, change);
    Ok(true)
}

fn in_words(faults: &[super::validate::Fault]) -> String {
    let words: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.path, fault.code)).collect();
    words.join(", ")
}
