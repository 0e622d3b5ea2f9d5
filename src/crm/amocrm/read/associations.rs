//! Who is linked with whom: what the links say, and what the card itself names beside them.

use serde_json::Value;

use super::row::Row;
use crate::domain::record::{Association, RecordRef};

/// Kinds of record a card names in `_embedded` that links lead to.
const ENDS: [&str; 5] = ["companies", "contacts", "leads", "customers", "catalog_elements"];

/// One for each other end. `back` is how the other ends see it.
pub(super) fn associations(of: &RecordRef, card: &Row, links: &[Row], back: &[(RecordRef, Row)]) -> Vec<Association> {
    let mut found: Vec<Association> = Vec::new();
    let mut add = |to: RecordRef, metadata: String| {
        match found.iter_mut().find(|known| known.to == to) {
            // The links come first; what follows only fills what they leave open.
            Some(known) if known.metadata == "null" => known.metadata = metadata,
            Some(_) => {}
            None => found.push(Association { from: of.clone(), to, metadata }),
        }
    };
    for row in links {
        if let Some(to) = other_end(row) {
            add(to, row.raw_text("metadata"));
        }
    }
    for (holder, row) in back {
        add(holder.clone(), row.raw_text("metadata"));
    }
    for end in ENDS.iter().filter(|end| **end != of.object) {
        for named in card.embedded(end).into_iter().flatten() {
            if let Some(id) = named.get("id").and_then(Value::as_u64) {
                add(RecordRef::new(*end, id), named_metadata(named));
            }
        }
    }
    found
}

/// Where a link leads.
pub(super) fn other_end(link: &Row) -> Option<RecordRef> {
    Some(RecordRef::new(link.text("to_entity_type")?, link.number("to_entity_id")?))
}

/// Written as `is_main`, read in links as `main_contact` (§2.9).
fn named_metadata(named: &Value) -> String {
    match (named.get("metadata"), named.get("is_main").and_then(Value::as_bool)) {
        (Some(metadata), _) => metadata.to_string(),
        (None, Some(main)) => format!("{{\"main_contact\":{main}}}"),
        (None, None) => "null".to_owned(),
    }
}
