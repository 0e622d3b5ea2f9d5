//! Records of any kind -> snapshots, in the order asked for.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use futures::future::{try_join, try_join_all};

use super::associations::other_end;
use super::locate::Located;
use super::pieces;
use super::places::{self, CARDS, Placed};
use super::snapshot::{Draft, name, words};
use super::whole::whole;
use crate::crm::amocrm::wire::{LinkName, SetUpName, TagName, numeric_id};
use crate::crm::{CrmError, Fetched, Reach};
use crate::domain::record::{Association, RecordRef};

/// See [`Connector::fetch`](crate::crm::Connector::fetch).
pub async fn fetch(reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
    let cards = records.iter().filter(|record| CARDS.contains(&record.object.as_str())).count();
    // There is no bulk call for the files of cards.
    let with_files = cards <= reach.upstream.files_up_to();
    let groups = by_kind(records);
    let read = groups.iter().map(|(kind, group)| of_kind(reach, kind, group, with_files));
    let read: HashMap<&RecordRef, Fetched> = try_join_all(read).await?.into_iter().flatten().collect();
    let unsaid = || Fetched::Hidden("the CRM did not say whether it is there".to_owned());
    Ok(records.iter().map(|record| read.get(record).cloned().unwrap_or_else(unsaid)).collect())
}

/// Records by kind, each once. Parts of the set-up are a kind of their own, whatever they are called.
pub(super) fn by_kind(records: &[RecordRef]) -> BTreeMap<&str, Vec<&RecordRef>> {
    let mut groups: BTreeMap<&str, Vec<&RecordRef>> = BTreeMap::new();
    for record in records {
        let kind = if SetUpName::parse(record).is_some() { "" } else { record.object.as_str() };
        let group = groups.entry(kind).or_default();
        if !group.contains(&record) {
            group.push(record);
        }
    }
    groups
}

async fn of_kind<'a>(
    reach: Reach<'_>,
    kind: &str,
    records: &[&'a RecordRef],
    with_files: bool,
) -> Result<Vec<(&'a RecordRef, Fetched)>, CrmError> {
    if let Some(place) = places::cards(kind) {
        let ids = numbers(records);
        let read = whole(reach, kind, &place, &ids, with_files).await?;
        return Ok(each(records, |id| read.get(&id).cloned()));
    }
    match kind {
        "segments" => segments(reach, records).await,
        "tasks" | "notes" | "transactions" | "catalog_elements" => {
            let found = places::find(reach, kind, &numbers(records)).await?;
            Ok(each(records, |id| found.get(&id).map(|placed| piece(reach, kind, id, placed))))
        }
        _ => by_name(reach, kind, records).await,
    }
}

/// Things without an id of their own.
async fn by_name<'a>(
    reach: Reach<'_>,
    kind: &str,
    records: &[&'a RecordRef],
) -> Result<Vec<(&'a RecordRef, Fetched)>, CrmError> {
    let located = named(reach, kind, records).await?;
    let fetched = records.iter().zip(located).map(|(record, located)| {
        let read = settle(located, |row| {
            let draft = Draft::new(reach, record, row);
            match LinkName::parse(record).filter(|_| kind == "links") {
                Some(link) => {
                    let metadata = row.raw_text("metadata");
                    let to = other_end(row).unwrap_or(link.to);
                    let title = format!("{} -> {to}", link.from);
                    let association = Association { from: link.from, to, metadata };
                    draft.title(Some(title)).associations(vec![association])
                }
                None => draft.title(name(row)),
            }
        });
        (*record, read)
    });
    Ok(fetched.collect())
}

/// Where links, tags and parts of the set-up are.
pub(super) async fn named(reach: Reach<'_>, kind: &str, records: &[&RecordRef]) -> Result<Vec<Located>, CrmError> {
    let odd = || Located::Hidden("crm-undo cannot read this kind of record".to_owned());
    match kind {
        "" => {
            try_join_all(records.iter().map(|record| async move {
                match SetUpName::parse(record) {
                    Some(name) => pieces::set_up(reach, &name).await,
                    None => Ok(odd()),
                }
            }))
            .await
        }
        "links" => {
            let names: Option<Vec<LinkName>> = records.iter().map(|record| LinkName::parse(record)).collect();
            match names {
                Some(names) => pieces::links(reach, &names).await,
                None => Ok(records.iter().map(|_| odd()).collect()),
            }
        }
        "tags" => {
            let names: Option<Vec<TagName>> = records.iter().map(|record| TagName::parse(record)).collect();
            match names {
                Some(names) => pieces::tags(reach, &names).await,
                None => Ok(records.iter().map(|_| odd()).collect()),
            }
        }
        // The parent of a deleted element, asked for by its number; a catalog that is deleted itself comes as set-up.
        "catalogs" => {
            try_join_all(records.iter().map(|record| async move {
                match numeric_id(&record.id) {
                    Some(id) => {
                        let path = format!("/api/v4/catalogs/{id}");
                        pieces::set_up(reach, &SetUpName { word: "catalogs".to_owned(), path }).await
                    }
                    None => Ok(odd()),
                }
            }))
            .await
        }
        _ => Ok(records.iter().map(|_| odd()).collect()),
    }
}

/// A task, a note, a purchase or an element of a catalog.
fn piece(reach: Reach<'_>, kind: &str, id: u64, placed: &Placed) -> Fetched {
    settle(placed.located.clone(), |row| {
        let draft = Draft::new(reach, &RecordRef::new(kind, id), row);
        match (kind, row.number("entity_id")) {
            ("notes", Some(parent)) => {
                let parent = format!("{{\"object\":\"{}\",\"id\":{parent}}}", placed.under);
                draft.title(words(row)).part("parent", "application/json", parent.into(), 1, 1)
            }
            // Without its record a note cannot be brought back.
            ("notes", None) => draft.title(words(row)).part("parent", "application/json", Bytes::new(), 1, 0),
            ("catalog_elements", _) => draft.title(name(row)),
            _ => draft.title(words(row)),
        }
    })
}

async fn segments<'a>(reach: Reach<'_>, records: &[&'a RecordRef]) -> Result<Vec<(&'a RecordRef, Fetched)>, CrmError> {
    let ids = numbers(records);
    let (found, members) = try_join(places::find(reach, "segments", &ids), pieces::members(reach, &ids)).await?;
    Ok(each(records, |id| {
        let located = found.get(&id)?.located.clone();
        let members = match (&members, &located) {
            (Err(why), Located::There(_)) => return Some(Fetched::Hidden(why.clone())),
            (Ok(members), _) => members.get(&id).cloned().unwrap_or_default(),
            (Err(_), _) => Vec::new(),
        };
        Some(settle(located, |row| {
            let rows: Vec<Bytes> = members.iter().map(|id| Bytes::from(id.to_string())).collect();
            Draft::new(reach, &RecordRef::new("segments", id), row).title(name(row)).slices(
                "members",
                "application/json",
                &rows,
            )
        }))
    }))
}

fn settle(located: Located, draft: impl FnOnce(&super::row::Row) -> Draft) -> Fetched {
    match located {
        Located::There(row) => Fetched::Whole(draft(&row).done()),
        Located::Absent => Fetched::Absent,
        Located::Hidden(why) => Fetched::Hidden(why),
    }
}

pub(super) fn numbers(records: &[&RecordRef]) -> Vec<u64> {
    records.iter().filter_map(|record| numeric_id(&record.id)).collect()
}

fn each<'a>(records: &[&'a RecordRef], of: impl Fn(u64) -> Option<Fetched>) -> Vec<(&'a RecordRef, Fetched)> {
    let odd = || Fetched::Hidden("its id is none that amoCRM gives".to_owned());
    records.iter().map(|record| (*record, numeric_id(&record.id).and_then(&of).unwrap_or_else(odd))).collect()
}
