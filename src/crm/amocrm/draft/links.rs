//! Links: which side the CRM lets say it, and what it says (§2.9).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::act::Act;
use super::drafting::Drafting;
use crate::crm::amocrm::rows::{holds, id, id_at};
use crate::crm::amocrm::wire::LinkName;
use crate::domain::plan::What;
use crate::domain::record::RecordRef;

/// Wave of links.
const WAVE: u8 = 3;

/// Kinds by who says a link to whom: an earlier one may always link to a later one. Both ends' snapshots so make the
/// same write, and the planner can tell that it is one link.
const SPEAKERS: [&str; 5] = ["leads", "customers", "contacts", "companies", "catalog_elements"];

fn rank(record: &RecordRef) -> Option<usize> {
    SPEAKERS.iter().position(|word| *word == record.object)
}

/// Steps for all links of a card.
pub fn links(d: &mut Drafting<'_>) {
    let mut seen = BTreeSet::new();
    for association in &d.snapshot.associations {
        let metadata: Value = serde_json::from_str(&association.metadata).unwrap_or_default();
        let Some((name, act)) = link(&association.from, &association.to, &metadata) else { continue };
        if seen.insert(name.record()) {
            d.step(WAVE, What::Relink, name.record(), vec![name.from, name.to], &act);
        }
    }
    if !seen.is_empty() {
        d.returns("links");
    }
}

/// The write of one link; `None` between kinds that cannot be linked.
pub fn link(one: &RecordRef, other: &RecordRef, metadata: &Value) -> Option<(LinkName, Act)> {
    let (left, right) = (rank(one)?, rank(other)?);
    // Deals and customers are not linked to one another, nor any kind to itself.
    if left == right || left + right == 1 {
        return None;
    }
    let (from, to) = if left < right { (one, other) } else { (other, one) };
    let mut written = Map::new();
    let catalog = id_at(metadata, "catalog_id");
    if to.object == "contacts" && said_main(metadata) {
        written.insert("is_main".to_owned(), true.into());
    }
    if to.object == "catalog_elements" {
        for key in ["quantity", "catalog_id", "price_id"] {
            if let Some(value) = metadata.get(key).filter(|value| holds(value)) {
                written.insert(key.to_owned(), value.clone());
            }
        }
    }
    let name =
        LinkName { from: from.clone(), to: to.clone(), catalog: catalog.filter(|_| to.object == "catalog_elements") };
    let act = Act::Link { from: from.clone(), to: to.clone(), metadata: Value::Object(written) };
    Some((name, act))
}

/// Written as `is_main`, read as `main_contact`, and in `_embedded` read as `is_main`.
pub fn said_main(metadata: &Value) -> bool {
    ["main_contact", "is_main"].iter().any(|key| metadata.get(*key).is_some_and(holds))
}

/// Ids in an array of numbers or of rows.
pub fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().filter_map(|row| id(row).or_else(|| id_at(row, "id"))).collect()
}
