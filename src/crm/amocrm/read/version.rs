//! Whether records still are what their snapshots say: their own rows, read again the way they were read, one page for a
//! batch.
//!
//! `updated_at` alone is no version: it counts whole seconds, and a change in the second of the snapshot would not show.
//! So the rows are compared, all but their links to themselves. What hangs on a card without showing in its row (a note)
//! is not seen.

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join_all;
use serde_json::Value;

use super::fetch::{by_kind, named, numbers};
use super::locate::{Located, Place, by_record, each, list, locate, split};
use super::places::{self, elements, notes};
use crate::crm::amocrm::rows::id_at;
use crate::crm::{CrmError, Reach};
use crate::domain::record::{RecordRef, Snapshot};

/// See [`Connector::unchanged`](crate::crm::Connector::unchanged).
pub async fn unchanged(reach: Reach<'_>, snapshots: &[Snapshot]) -> Result<Vec<bool>, CrmError> {
    let records: Vec<RecordRef> = snapshots.iter().map(|snapshot| snapshot.of.clone()).collect();
    let known: HashMap<&RecordRef, &Snapshot> = snapshots.iter().map(|snapshot| (&snapshot.of, snapshot)).collect();
    let groups = by_kind(&records);
    let read = groups.iter().map(|(kind, group)| of_kind(reach, kind, group, &known));
    let now: HashMap<&RecordRef, Located> = try_join_all(read).await?.into_iter().flatten().collect();
    let same = |snapshot: &Snapshot| match now.get(&snapshot.of) {
        Some(Located::There(row)) => is_as_it_was(snapshot, &row.value),
        // Gone, or not to be seen any more: read it again, and say which.
        Some(Located::Absent | Located::Hidden(_)) | None => false,
    };
    Ok(snapshots.iter().map(same).collect())
}

async fn of_kind<'a>(
    reach: Reach<'_>,
    kind: &str,
    records: &[&'a RecordRef],
    known: &HashMap<&RecordRef, &Snapshot>,
) -> Result<Vec<(&'a RecordRef, Located)>, CrmError> {
    // Each kind the way it was read before: rows of a list and records by their ids need not look alike.
    if let Some(place) = places::cards(kind) {
        return Ok(by_record(records, &locate(reach, &place, &numbers(records)).await?));
    }
    match places::single(kind) {
        Some(place) if kind == "tasks" => {
            return Ok(by_record(records, &locate(reach, &place, &numbers(records)).await?));
        }
        Some(place) => return Ok(by_record(records, &each(reach, &place, &numbers(records)).await?)),
        None => {}
    }
    if matches!(kind, "notes" | "catalog_elements") {
        // Where each lies is known since it was read.
        let mut by_place: BTreeMap<String, (Place, Vec<&'a RecordRef>)> = BTreeMap::new();
        for record in records {
            if let Some(place) = known.get(*record).and_then(|snapshot| place_of(snapshot)) {
                by_place.entry(place.path.clone()).or_insert_with(|| (place, Vec::new())).1.push(*record);
            }
        }
        let read = by_place.values().map(|(place, records)| listed(reach, place, records));
        return Ok(try_join_all(read).await?.into_iter().flatten().collect());
    }
    let located = named(reach, kind, records).await?;
    Ok(records.iter().copied().zip(located).collect())
}

async fn listed<'a>(
    reach: Reach<'_>,
    place: &Place,
    records: &[&'a RecordRef],
) -> Result<Vec<(&'a RecordRef, Located)>, CrmError> {
    let ids = numbers(records);
    let (mut found, missing) = split(&ids, list(reach, place, &ids).await?);
    found.extend(each(reach, place, &missing).await?);
    Ok(by_record(records, &found))
}

fn place_of(snapshot: &Snapshot) -> Option<Place> {
    let json = |part: &str| serde_json::from_slice::<Value>(&snapshot.part(part)?.body).ok();
    match snapshot.of.object.as_str() {
        "notes" => json("parent")?.get("object")?.as_str().map(notes),
        _ => id_at(&json("record")?, "catalog_id").map(elements),
    }
}

/// Whether the row is the one in the snapshot.
fn is_as_it_was(snapshot: &Snapshot, now: &Value) -> bool {
    let was = snapshot.part("record").and_then(|part| serde_json::from_slice::<Value>(&part.body).ok());
    let without_links = |row: &Value| {
        let mut row = row.clone();
        if let Some(keys) = row.as_object_mut() {
            keys.remove("_links");
        }
        row
    };
    was.is_some_and(|was| without_links(&was) == without_links(now))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::record::{Eyes, Part, SearchKeys};

    fn snapshot(row: &Value) -> Snapshot {
        Snapshot {
            connection: "acme".into(),
            of: RecordRef::new("contacts", 1),
            title: String::new(),
            keys: SearchKeys::default(),
            parts: vec![Part {
                name: "record".into(),
                content_type: "application/hal+json".into(),
                body: Bytes::from(row.to_string()),
            }],
            associations: Vec::new(),
            manifest: Vec::new(),
            taken_at: Timestamp::UNIX_EPOCH,
            read_by: Eyes::Gateway,
        }
    }

    #[test]
    fn a_change_in_the_same_second_is_one() {
        let was = snapshot(&json!({"id": 1, "name": "Anna", "updated_at": 7, "_links": {"self": {"href": "/a"}}}));
        let again = json!({"updated_at": 7, "id": 1, "name": "Anna", "_links": {"self": {"href": "/a?page=1"}}});
        assert!(is_as_it_was(&was, &again), "where it was found is no part of it");
        assert!(!is_as_it_was(&was, &json!({"id": 1, "name": "Anya", "updated_at": 7})));
        assert!(!is_as_it_was(&was, &json!({"id": 1, "name": "Anna", "updated_at": 8})));
        assert!(!is_as_it_was(&was, &json!({"id": 1, "name": "Anna", "updated_at": 7, "closest_task_at": 9})));
    }
}
