//! Cards, catalog elements and segments: their own fields, and everything that hangs on them.

use serde_json::{Map, Value, json};

use super::act::Act;
use super::drafting::Drafting;
use super::{fields, links, notes, stage, tasks};
use crate::crm::amocrm::rows::{self, embedded, holds, id_at, tag_names, text_at};
use crate::domain::plan::What;
use crate::domain::record::RecordRef;

/// Fields that are never written and whose loss people would notice (§10.14).
const MISSED: [&str; 4] = ["score", "labor_cost", "source_id", "is_price_modified_by_robot"];
/// Computed from a customer's purchases.
const COMPUTED: [&str; 3] = ["ltv", "purchases_count", "average_check"];

/// A deal, contact, company or customer.
pub fn card(d: &mut Drafting<'_>, record: &Value) {
    let of = d.of().clone();
    let mut body = Map::new();
    let mut open_stage = None;
    d.copy(record, &mut body, &["name", "created_at"], None);
    d.copy_users(record, &mut body, &["responsible_user_id", "created_by"], None);
    match of.object.as_str() {
        "contacts" => d.copy(record, &mut body, &["first_name", "last_name"], None),
        "leads" => {
            d.copy(record, &mut body, &["price"], None);
            open_stage = stage::deal(d, record, &mut body);
        }
        "customers" => {
            d.copy(record, &mut body, &["next_price", "next_date", "periodicity"], None);
            stage::customer(d, record, &mut body);
        }
        _ => {}
    }
    fields::fields(d, &of.object, record, &mut body);
    tags(d, record, &mut body);
    read_only(d, record);
    // Before what names them in its fields: rows of lists name people, deals and customers name rows of lists.
    let wave = if matches!(of.object.as_str(), "companies" | "contacts") { 0 } else { 2 };
    let act = Act::Create { object: of.object.clone(), catalog: None, body: Value::Object(body), open_stage };
    d.step(wave, What::Recreate, of.clone(), Vec::new(), &act);
    hanging(d, &of, record);
}

fn tags(d: &mut Drafting<'_>, record: &Value, body: &mut Map<String, Value>) {
    // By name: ids of tags are separate for each kind and may be gone (§2.8).
    let names: Vec<Value> = tag_names(record).into_iter().map(|name| json!({"name": name})).collect();
    if !names.is_empty() {
        body.insert("_embedded".to_owned(), json!({"tags": names}));
        d.returns("tags");
    }
}

fn read_only(d: &mut Drafting<'_>, record: &Value) {
    let rebuilt = !rows::rows(d.snapshot, "transactions").is_empty();
    let missed = MISSED.iter().chain(COMPUTED.iter().filter(|_| !rebuilt));
    for field in missed {
        if record.get(*field).is_some_and(holds) {
            d.lose(*field, "read_only", "the CRM fills this field itself and lets nobody write it");
        }
    }
}

fn hanging(d: &mut Drafting<'_>, of: &RecordRef, record: &Value) {
    links::links(d);
    let (said, to_do, bought) =
        (rows::rows(d.snapshot, "notes"), rows::rows(d.snapshot, "tasks"), rows::rows(d.snapshot, "transactions"));
    notes::notes(d, of, &said);
    tasks::tasks(d, of, &to_do);
    tasks::purchases(d, of, &bought);
    for segment in links::ids(embedded(record, "segments")) {
        join(d, of.clone(), RecordRef::new("segments", segment));
    }
    match rows::part(d.snapshot, "files") {
        None => d.lose("files", "not_read", "which files are attached was not read"),
        Some(Value::Array(files)) if !files.is_empty() => {
            d.returns("files");
            // Each by itself: one that lies in the bin would keep the others away.
            for uuid in files.iter().filter_map(|file| text_at(file, "file_uuid")) {
                let act = Act::Attach { on: of.clone(), files: vec![uuid.to_owned()] };
                d.step(4, What::Set, of.clone(), vec![of.clone()], &act);
            }
        }
        Some(_) => {}
    }
}

fn join(d: &mut Drafting<'_>, customer: RecordRef, segment: RecordRef) {
    let (record, needs) = (d.of().clone(), vec![customer.clone(), segment.clone()]);
    d.returns(if record == customer { "segments" } else { "members" });
    d.step(4, What::Set, record, needs, &Act::Join { customer, segment });
}

/// A row of a list.
pub fn element(d: &mut Drafting<'_>, record: &Value) {
    let Some(catalog) = id_at(record, "catalog_id") else { return };
    let of = d.of().clone();
    let mut body = Map::new();
    d.copy(record, &mut body, &["name", "created_at"], None);
    d.copy_users(record, &mut body, &["created_by"], None);
    fields::fields(d, &format!("catalogs/{catalog}"), record, &mut body);
    d.draft.parents.push(RecordRef::new("catalogs", catalog));
    let act =
        Act::Create { object: of.object.clone(), catalog: Some(catalog), body: Value::Object(body), open_stage: None };
    d.step(1, What::Recreate, of, Vec::new(), &act);
    links::links(d);
}

/// A segment of customers, and who was in it.
pub fn segment(d: &mut Drafting<'_>, record: &Value) {
    let of = d.of().clone();
    let mut body = Map::new();
    d.copy(record, &mut body, &["name", "color", "available_products_price_types"], None);
    fields::fields(d, "segments", record, &mut body);
    // Nothing says that a segment's time could be set (§2.4).
    d.lose("created_at", "read_only", "the time a segment was made cannot be written");
    let act = Act::Create { object: of.object.clone(), catalog: None, body: Value::Object(body), open_stage: None };
    d.step(0, What::Recreate, of.clone(), Vec::new(), &act);
    for customer in links::ids(&rows::rows(d.snapshot, "members")) {
        join(d, RecordRef::new("customers", customer), of.clone());
    }
}
