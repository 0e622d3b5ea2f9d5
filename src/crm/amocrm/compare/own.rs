//! A record's own fields. What the CRM computes or keeps for itself is not compared (§10.14).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::sheet::Sheet;
use crate::crm::amocrm::rows::{LOST, WON, embedded, id_at, tag_names, text_at};

/// Compared as they are; a kind that has no such field has it on neither side.
const FIELDS: [&str; 14] = [
    "name",
    "first_name",
    "last_name",
    "price",
    "pipeline_id",
    "status_id",
    "created_at",
    "created_by",
    "responsible_user_id",
    "next_price",
    "next_date",
    "periodicity",
    "color",
    "available_products_price_types",
];

/// Fields and tags.
pub fn own(sheet: &mut Sheet<'_>, was: &Value, is: &Value) {
    for field in FIELDS {
        sheet.same(field, was.get(field), is.get(field));
    }
    // An open deal has no time of closing; one that was closed before may still show the old one.
    if matches!(id_at(was, "status_id"), Some(WON | LOST)) && !sheet.is_lost("status_id") {
        sheet.same("closed_at", was.get("closed_at"), is.get("closed_at"));
    }
    let name = |row: &Value| {
        embedded(row, "loss_reason").first().and_then(|reason| text_at(reason, "name")).map(str::to_owned)
    };
    let same_name = name(was).is_some() && name(was) == name(is);
    if !same_name {
        sheet.same("loss_reason_id", was.get("loss_reason_id"), is.get("loss_reason_id"));
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (tag_names(was).into_iter().collect(), tag_names(is).into_iter().collect());
    if old != new {
        sheet.differ("tags", &json!(old), &json!(new));
    }
}
