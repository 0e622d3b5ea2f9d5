//! What would be written to bring a record back, and what will be lost. Pure.
//!
//! | file | idea |
//! | --- | --- |
//! | [`act`] | one write, with old ids inside |
//! | [`around`] | what there is in the account now |
//! | [`drafting`] | a draft while it is made |
//! | [`cards`] | cards, catalog elements and segments, and all that hangs on them |
//! | [`stage`] | where a deal or a customer stands |
//! | [`fields`] | which custom fields still exist |
//! | [`values`] | one value of a custom field |
//! | [`links`] | links, said by the side that may |
//! | [`notes`] | notes that can be written, and the words of the others |
//! | [`tasks`] | tasks and purchases |

pub mod act;
pub mod around;
pub mod cards;
pub mod drafting;
pub mod fields;
pub mod links;
pub mod notes;
pub mod stage;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod values;

use serde_json::Value;

use self::act::Act;
use self::around::Around;
use self::drafting::Drafting;
use super::rows::{self, text_at};
use super::wire::{LinkName, Tag, TagName};
use crate::domain::plan::What;
use crate::domain::record::Snapshot;
use crate::domain::restore::Draft;

/// See [`Dialect::draft`](crate::crm::Dialect::draft). Empty for what cannot be brought back.
pub fn draft(snapshot: &Snapshot, surroundings: &Value) -> Draft {
    let mut d = Drafting::new(snapshot, Around(surroundings));
    let Some(record) = rows::part(snapshot, "record") else { return Draft::default() };
    match snapshot.of.object.as_str() {
        "leads" | "contacts" | "companies" | "customers" => cards::card(&mut d, &record),
        "catalog_elements" => cards::element(&mut d, &record),
        "segments" => cards::segment(&mut d, &record),
        "notes" => note(&mut d, &record),
        "tasks" => task(&mut d, &record),
        "transactions" => purchase(&mut d, &record),
        "links" => link(&mut d, &record),
        "tags" => tag(&mut d, &record),
        _ => {}
    }
    d.draft
}

fn note(d: &mut Drafting<'_>, record: &Value) {
    let Some(on) = rows::parent_of(d.snapshot, record) else { return };
    notes::alone(d, &on, record);
    d.draft.parents.push(on);
}

fn task(d: &mut Drafting<'_>, record: &Value) {
    let on = rows::parent_of(d.snapshot, record);
    let body = tasks::task(d, record, None);
    d.draft.parents.extend(on.clone());
    let needs = on.iter().cloned().collect();
    d.step(4, What::Recreate, d.of().clone(), needs, &Act::Task { on, body });
}

fn purchase(d: &mut Drafting<'_>, record: &Value) {
    let Some(customer) = rows::customer_of(d.snapshot, record) else { return };
    let body = tasks::purchase(d, record, None);
    d.draft.parents.push(customer.clone());
    d.step(4, What::Recreate, d.of().clone(), vec![customer.clone()], &Act::Purchase { customer, body });
}

fn link(d: &mut Drafting<'_>, record: &Value) {
    let Some(name) = LinkName::parse(d.of()) else { return };
    let said = d.snapshot.associations.first().and_then(|association| serde_json::from_str(&association.metadata).ok());
    let mut metadata: Value =
        said.filter(|said: &Value| !said.is_null()).or_else(|| record.get("metadata").cloned()).unwrap_or_default();
    if let (Some(catalog), None) = (name.catalog, metadata.get("catalog_id")) {
        if !metadata.is_object() {
            metadata = serde_json::json!({});
        }
        metadata["catalog_id"] = catalog.into();
    }
    let Some((_, act)) = links::link(&name.from, &name.to, &metadata) else { return };
    d.returns("link");
    d.draft.parents = vec![name.from.clone(), name.to.clone()];
    d.step(3, What::Relink, d.of().clone(), vec![name.from, name.to], &act);
}

fn tag(d: &mut Drafting<'_>, record: &Value) {
    let Some(name) = TagName::parse(d.of()) else { return };
    let written = match (text_at(record, "name"), &name.tag) {
        (Some(text), _) => text.to_owned(),
        (None, Tag::Name(text)) => text.clone(),
        (None, Tag::Id(_)) => return,
    };
    d.returns("tag");
    d.draft.parents.push(name.on.clone());
    let act = Act::Tag { on: name.on.clone(), names: vec![written] };
    d.step(4, What::Set, d.of().clone(), vec![name.on], &act);
}
