//! Links of contacts and companies as their deals and customers see them.
//!
//! §2.9: contacts and companies do not say how their deals hold them (main contact), and after a delete the deals do
//! not either. So the deals and customers a card names are asked before.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::hanging::{Hung, What, hanging};
use super::locate::{Found, Located};
use super::row::Row;
use crate::crm::{CrmError, Reach};
use crate::domain::record::RecordRef;

/// The rows that point at each card, each with who points. A card without deals and customers is not in it.
pub(super) type Back = HashMap<u64, Result<Vec<(RecordRef, Row)>, String>>;

pub(super) async fn links_back(reach: Reach<'_>, object: &str, cards: &Found, links: &Hung) -> Result<Back, CrmError> {
    let mut back = Back::new();
    if !matches!(object, "contacts" | "companies") {
        return Ok(back);
    }
    for holder in ["leads", "customers"] {
        let mut named: HashMap<u64, BTreeSet<u64>> = HashMap::new();
        for (id, located) in cards {
            if let Located::There(row) = located {
                let holders = holders(row, links.get(id), holder);
                if !holders.is_empty() {
                    named.insert(*id, holders);
                }
            }
        }
        let all: BTreeSet<u64> = named.values().flatten().copied().collect();
        if all.is_empty() {
            continue;
        }
        let all: Vec<u64> = all.into_iter().collect();
        let rows = hanging(reach, What::Links, holder, &all).await?;
        for (id, holders) in named {
            let entry = back.entry(id).or_insert_with(|| Ok(Vec::new()));
            for of in holders {
                match (rows.get(&of), entry.as_mut()) {
                    (Some(Ok(rows)), Ok(mine)) => {
                        let pointing = rows.iter().filter(|row| points_at(row, object, id));
                        mine.extend(pointing.map(|row| (RecordRef::new(holder, of), row.clone())));
                    }
                    (Some(Err(why)), Ok(_)) => *entry = Err(why.clone()),
                    (None, _) | (_, Err(_)) => {}
                }
            }
        }
    }
    Ok(back)
}

pub(super) fn points_at(row: &Row, object: &str, id: u64) -> bool {
    row.text("to_entity_type") == Some(object) && row.number("to_entity_id") == Some(id)
}

fn holders(card: &Row, links: Option<&Result<Vec<Row>, String>>, holder: &str) -> BTreeSet<u64> {
    let embedded = card.embedded(holder).into_iter().flatten();
    let embedded = embedded.filter_map(|row| row.get("id").and_then(serde_json::Value::as_u64));
    let linked = links.and_then(|links| links.as_ref().ok()).into_iter().flatten();
    let linked = linked.filter(|row| row.text("to_entity_type") == Some(holder));
    embedded.chain(linked.filter_map(|row| row.number("to_entity_id"))).collect()
}

/// The row with its owner's name in it; the CRM's bytes where they hold it already.
pub(super) fn with_owner(owner: &RecordRef, row: &Row) -> Bytes {
    let rest = std::str::from_utf8(&row.raw).ok().and_then(|text| text.trim_start().strip_prefix('{'));
    match rest {
        Some(rest) if row.number("entity_id").is_none() => {
            format!("{{\"entity_id\":{},\"entity_type\":\"{}\",{rest}", owner.id, owner.object).into()
        }
        _ => row.raw.clone(),
    }
}
