//! What the CRM's own log of events (§6.5) says was changed since a moment.

use std::collections::{BTreeMap, HashSet};

use futures::future::try_join_all;

use super::page::{Unread, page};
use crate::crm::amocrm::wire::numeric_id;
use crate::crm::{CrmError, Reach};
use crate::domain::record::RecordRef;

const ROWS: usize = 100;
/// Pages looked at; what happened within a second of a delete fits one.
const MOST_PAGES: usize = 5;

/// See [`Connector::changed_since`](crate::crm::Connector::changed_since).
pub async fn changed_since(
    reach: Reach<'_>,
    records: &[RecordRef],
    since: jiff::Timestamp,
) -> Result<Vec<bool>, CrmError> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    for record in records {
        if let Some(word) = word(&record.object) {
            kinds.insert(word, &record.object);
        }
    }
    let looked = kinds.into_iter().map(|(word, object)| async move {
        let ids = of_kind(reach, word, since.as_second()).await?;
        Ok::<_, CrmError>(ids.into_iter().map(|id| (object, id)).collect::<Vec<_>>())
    });
    let changed: HashSet<(&str, u64)> = try_join_all(looked).await?.into_iter().flatten().collect();
    let is_changed =
        |record: &RecordRef| numeric_id(&record.id).is_some_and(|id| changed.contains(&(record.object.as_str(), id)));
    Ok(records.iter().map(is_changed).collect())
}

/// What a kind is called in the log.
fn word(object: &str) -> Option<&'static str> {
    Some(match object {
        "leads" => "lead",
        "contacts" => "contact",
        "companies" => "company",
        "customers" => "customer",
        "tasks" => "task",
        _ => return None,
    })
}

async fn of_kind(reach: Reach<'_>, entity: &str, since: i64) -> Result<Vec<u64>, CrmError> {
    let mut changed = Vec::new();
    for number in 1..=MOST_PAGES {
        let target = format!(
            "/api/v4/events?filter[entity]={entity}&filter[created_at][from]={since}&limit={ROWS}&page={number}"
        );
        let page = match page(reach, target, "events").await {
            Ok(Some(page)) => page,
            // No such events, or no right to see them: no evidence.
            Ok(None) | Err(Unread::Hidden(_) | Unread::Ignored) => break,
            Err(Unread::Down(error)) => return Err(error),
        };
        let rows = page.rows.iter().filter(|row| {
            // Filters may be ignored (§2.0).
            row.number("created_at").and_then(|at| i64::try_from(at).ok()).is_some_and(|at| at >= since)
                && row.text("entity_type") == Some(entity)
                && row.text("type").is_some_and(is_a_change)
        });
        changed.extend(rows.filter_map(|row| row.number("entity_id")));
        if !page.next {
            break;
        }
    }
    Ok(changed)
}

/// Whether an event of this type means that the record is no longer what it was. Deletes are what we wait for, and links
/// are cut by them.
fn is_a_change(kind: &str) -> bool {
    !(kind.ends_with("_deleted") && kind != "entity_tag_deleted"
        || kind.ends_with("_unlinked")
        || kind.ends_with("_added") && kind != "entity_tag_added" && !kind.contains("note"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_delete_itself_leaves_in_the_log_is_no_change() {
        for kind in ["contact_deleted", "lead_unlinked", "entity_unlinked", "lead_added"] {
            assert!(!is_a_change(kind), "{kind}");
        }
        for kind in [
            "name_field_changed",
            "custom_field_value_changed",
            "common_note_added",
            "entity_tag_added",
            "lead_status_changed",
        ] {
            assert!(is_a_change(kind), "{kind}");
        }
    }
}
