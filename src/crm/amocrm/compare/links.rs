//! Links, under the new names of their ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::sheet::Sheet;
use crate::crm::Successor;
use crate::crm::amocrm::draft::links::{ids, link, said_main};
use crate::crm::amocrm::rows::{self, embedded};
use crate::domain::record::{Association, RecordRef, Snapshot};

/// Links of a card: the other end under its newest name -> the name in the snapshot, and what the link says.
type Links = BTreeMap<RecordRef, (RecordRef, Value)>;

/// Compares them as a set, with main contact and quantity.
pub fn links(sheet: &mut Sheet<'_>, was: &Snapshot, is: &Snapshot, successor: Successor<'_>) {
    let mut old = read(was, |record| successor(record));
    if matches!(was.of.object.as_str(), "leads" | "customers") {
        one_main(was, &mut old);
    }
    let new = read(is, |_| None);
    for (to, (name, says)) in &old {
        let now = new.get(to).map(|(_, says)| says);
        if now != Some(says) && !sheet.link_is_lost(name) {
            sheet.differ(&format!("links.{name}"), says, now.unwrap_or(&Value::Null));
        }
    }
    for (to, (_, says)) in new.iter().filter(|(to, _)| !old.contains_key(*to)) {
        sheet.differ(&format!("links.{to}"), &Value::Null, says);
    }
}

/// Such a card has one main contact. What an earlier snapshot of this restore told stands first among the associations,
/// and tells how it was before the CRM made another contact main.
fn one_main(was: &Snapshot, links: &mut Links) {
    let main = |link: &&Association| serde_json::from_str(&link.metadata).is_ok_and(|says| said_main(&says));
    let Some(first) = was.associations.iter().find(main) else { return };
    for (name, says) in links.values_mut().filter(|(name, _)| *name != first.to) {
        if name.object == "contacts"
            && let Some(says) = says.as_object_mut()
        {
            says.remove("main_contact");
        }
    }
}

fn read(snapshot: &Snapshot, now: impl Fn(&RecordRef) -> Option<RecordRef>) -> Links {
    let mut links = Links::new();
    for association in &snapshot.associations {
        let metadata: Value = serde_json::from_str(&association.metadata).unwrap_or_default();
        // Only what can be linked: a deal's segments or source are no links.
        if link(&association.from, &association.to, &metadata).is_none() {
            continue;
        }
        let to = &association.to;
        let new = now(to).unwrap_or_else(|| to.clone());
        let says = says(&metadata);
        let known = links.entry(new).or_insert_with(|| (to.clone(), says.clone()));
        if known.1 == json!({}) {
            known.1 = says;
        }
    }
    links
}

/// What a link says, where it says something.
fn says(metadata: &Value) -> Value {
    let mut says = json!({});
    if said_main(metadata) {
        says["main_contact"] = true.into();
    }
    for key in ["quantity", "price_id"] {
        if let Some(value) = metadata.get(key).filter(|value| rows::holds(value)) {
            says[key] = value.as_f64().map_or_else(|| value.clone(), |number| json!(number));
        }
    }
    says
}

/// A link that was deleted by itself.
pub fn one(sheet: &mut Sheet<'_>, was: &Value, is: &Value) {
    let of = |row: &Value| says(row.get("metadata").unwrap_or(&Value::Null));
    sheet.same("metadata", Some(&of(was)), Some(&of(is)));
}

/// The segments of a customer, the members of a segment.
pub fn segments(sheet: &mut Sheet<'_>, was: (&Snapshot, &Value), is: (&Snapshot, &Value), successor: Successor<'_>) {
    let now = |object: &str, id: u64| {
        successor(&RecordRef::new(object, id)).map_or_else(|| id.to_string(), |record| record.id)
    };
    for (field, object) in [("segments", "segments"), ("members", "customers")] {
        let read = |(snapshot, record): (&Snapshot, &Value)| {
            if field == "members" { ids(&rows::rows(snapshot, "members")) } else { ids(embedded(record, "segments")) }
        };
        let old: BTreeSet<String> = read(was).into_iter().map(|id| now(object, id)).collect();
        let new: BTreeSet<String> = read(is).into_iter().map(|id| id.to_string()).collect();
        if old != new {
            sheet.differ(field, &json!(old), &json!(new));
        }
    }
}
