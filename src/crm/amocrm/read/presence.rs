//! Whether records are there. Gone is said only on proof: the record's own address, or its row in the bin.

use std::collections::HashMap;

use futures::future::try_join_all;

use super::fetch::{by_kind, named, numbers};
use super::locate::{AT_ONCE, Found, Located, Place, by_record, each, list, one, split};
use super::page::Unread;
use super::places;
use super::row::Row;
use super::walk::{Comes, List, filter, in_chunks, walk};
use crate::crm::{CrmError, Presence, Reach};
use crate::domain::record::RecordRef;
use futures::stream::{self, StreamExt, TryStreamExt};

/// From how many missing cards on the bin is asked for all of them at once.
const MANY_MISSING: usize = 4;

/// See [`Connector::presence`](crate::crm::Connector::presence).
pub async fn presence(reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
    let groups = by_kind(records);
    let looked = groups.iter().map(|(kind, group)| of_kind(reach, kind, group));
    let looked: HashMap<&RecordRef, Located> = try_join_all(looked).await?.into_iter().flatten().collect();
    records.iter().map(|record| judge(record, looked.get(record))).collect()
}

fn judge(record: &RecordRef, located: Option<&Located>) -> Result<Presence, CrmError> {
    match located {
        Some(Located::There(_)) => Ok(Presence::Alive),
        Some(Located::Absent) => Ok(Presence::Gone),
        Some(Located::Hidden(why)) => {
            Err(CrmError::Permanent { status: None, detail: format!("of {}: {why}", record.object) })
        }
        None => Err(CrmError::Permanent {
            status: None,
            detail: format!("nothing can be said of one of the {}", record.object),
        }),
    }
}

async fn of_kind<'a>(
    reach: Reach<'_>,
    kind: &str,
    records: &[&'a RecordRef],
) -> Result<Vec<(&'a RecordRef, Located)>, CrmError> {
    let ids = numbers(records);
    let found: Found = if let Some(place) = places::cards(kind) {
        cards(reach, &Place { with: "", ..place }, &ids).await?
    } else if matches!(kind, "tasks" | "notes" | "transactions" | "segments" | "catalog_elements") {
        let found = places::find(reach, kind, &ids).await?;
        found.into_iter().map(|(id, placed)| (id, placed.located)).collect()
    } else {
        let located = named(reach, kind, records).await?;
        return Ok(records.iter().copied().zip(located).collect());
    };
    Ok(by_record(records, &found))
}

/// Cards: the living by list, the others by the bin where they are many, what is left by its id.
async fn cards(reach: Reach<'_>, place: &Place, ids: &[u64]) -> Result<Found, CrmError> {
    if let [id] = ids {
        return Ok(HashMap::from([(*id, one(reach, place, *id).await?)]));
    }
    let (mut found, mut missing) = split(ids, list(reach, place, ids).await?);
    if missing.len() >= MANY_MISSING && place.key != "customers" {
        let binned = bin(reach, place, &missing).await?;
        missing.retain(|id| !binned.contains(id));
        found.extend(binned.into_iter().map(|id| (id, Located::Absent)));
    }
    found.extend(each(reach, place, &missing).await?);
    Ok(found)
}

/// Which of the cards lie in the bin (§4). Whatever is wrong with the answer, those it does not prove are asked for by
/// their ids.
async fn bin(reach: Reach<'_>, place: &Place, ids: &[u64]) -> Result<Vec<u64>, CrmError> {
    let chunks = in_chunks("id", ids).into_iter().map(|chunk| async move {
        let belongs = |row: &Row| row.id().is_some_and(|id| chunk.contains(&id)) && is_binned(row);
        let list = List {
            path: place.path.clone(),
            query: format!("with=only_deleted&{}", filter("id", chunk)),
            key: place.key,
            comes: Comes::Named(chunk.len()),
            belongs: &belongs,
        };
        match walk(reach, &list).await {
            Ok(rows) => Ok(rows.iter().filter_map(Row::id).collect()),
            Err(Unread::Down(error)) => Err(error),
            Err(Unread::Hidden(_) | Unread::Ignored) => Ok(Vec::new()),
        }
    });
    let chunks: Vec<Vec<u64>> =
        stream::iter(chunks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(chunks.into_iter().flatten().collect())
}

/// A row of the bin has lost nearly everything (§4); a living row, shown because `only_deleted` was ignored, has not.
fn is_binned(row: &Row) -> bool {
    ["name", "created_at", "created_by"].iter().all(|key| row.value.get(*key).is_some_and(serde_json::Value::is_null))
}
