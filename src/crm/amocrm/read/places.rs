//! Where records of each kind lie. A note or an element is named by its id alone, so it is looked for everywhere.

use std::collections::HashMap;

use futures::future::try_join_all;

use super::locate::{self, Found, Located, Place};
use super::page::Unread;
use super::walk::{Comes, List, walk};
use crate::crm::{CrmError, Reach};

/// Kinds of record that have links, notes and tasks: the path words.
pub(super) const CARDS: [&str; 4] = ["leads", "contacts", "companies", "customers"];

/// A kind of card, with everything a snapshot needs in its row (§2.1-2.4).
pub(super) fn cards(object: &str) -> Option<Place> {
    let (key, with) = match object {
        "leads" => ("leads", "with=contacts,catalog_elements,loss_reason,source,source_id,is_price_modified_by_robot"),
        "contacts" => ("contacts", "with=catalog_elements,leads,customers"),
        "companies" => ("companies", "with=catalog_elements,leads,customers,contacts"),
        "customers" => ("customers", "with=catalog_elements,contacts,companies"),
        _ => return None,
    };
    Some(Place { path: format!("/api/v4/{key}"), with, key, or_404: false })
}

/// Tasks, transactions and segments, which are asked for by id alone.
pub(super) fn single(object: &str) -> Option<Place> {
    let (path, key) = match object {
        "tasks" => ("/api/v4/tasks", "tasks"),
        "transactions" => ("/api/v4/customers/transactions", "transactions"),
        "segments" => ("/api/v4/customers/segments", "segments"),
        _ => return None,
    };
    Some(Place { path: path.to_owned(), with: "", key, or_404: true })
}

/// Records of `object` (not cards): each with the path word or catalog it was found under, where that is not its own.
pub(super) async fn find(reach: Reach<'_>, object: &str, ids: &[u64]) -> Result<HashMap<u64, Placed>, CrmError> {
    let places: Vec<(&str, Place)> = match object {
        "notes" => CARDS.iter().map(|word| (*word, notes(word))).collect(),
        "catalog_elements" => match catalogs(reach).await {
            Ok(catalogs) => catalogs.into_iter().map(|id| ("", elements(id))).collect(),
            Err(Unread::Down(error)) => return Err(error),
            Err(Unread::Hidden(why)) => return Ok(all_hidden(ids, &why)),
            Err(Unread::Ignored) => return Ok(all_hidden(ids, "the CRM's list of catalogs is odd")),
        },
        "tasks" => {
            let place = single("tasks").expect("tasks are in the table above");
            return Ok(alone(locate::locate(reach, &place, ids).await?));
        }
        _ => {
            let place = single(object).expect("the caller asks only for kinds in the tables above");
            return Ok(alone(locate::each(reach, &place, ids).await?));
        }
    };
    among(reach, &places, ids).await
}

/// A record, and the path word of what it hangs on.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub located: Located,
    pub under: &'static str,
}

fn alone(found: Found) -> HashMap<u64, Placed> {
    found.into_iter().map(|(id, located)| (id, Placed { located, under: "" })).collect()
}

fn all_hidden(ids: &[u64], why: &str) -> HashMap<u64, Placed> {
    ids.iter().map(|id| (*id, Placed { located: Located::Hidden(why.to_owned()), under: "" })).collect()
}

pub(super) fn notes(word: &str) -> Place {
    Place { path: format!("/api/v4/{word}/notes"), with: "", key: "notes", or_404: true }
}

pub(super) fn elements(catalog: u64) -> Place {
    Place { path: format!("/api/v4/catalogs/{catalog}/elements"), with: "", key: "elements", or_404: true }
}

/// At most ten (§2.5).
async fn catalogs(reach: Reach<'_>) -> Result<Vec<u64>, Unread> {
    let belongs = |_: &super::row::Row| true;
    let list = List {
        path: "/api/v4/catalogs".into(),
        query: String::new(),
        key: "catalogs",
        comes: Comes::Everything,
        belongs: &belongs,
    };
    Ok(walk(reach, &list).await?.iter().filter_map(super::row::Row::id).collect())
}

/// Found in one place is found. Found in none is absent only if every place could be looked into, by list and by id.
async fn among(
    reach: Reach<'_>,
    places: &[(&'static str, Place)],
    ids: &[u64],
) -> Result<HashMap<u64, Placed>, CrmError> {
    let mut found: HashMap<u64, Placed> = HashMap::new();
    let lists = places.iter().map(|(_, place)| locate::list(reach, place, ids));
    take(&mut found, places, try_join_all(lists).await?);
    let missing: Vec<u64> = ids
        .iter()
        .copied()
        .filter(|id| !matches!(found.get(id), Some(Placed { located: Located::There(_), .. })))
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    // By its id is the last word, also where a list could not be read.
    found.retain(|id, _| !missing.contains(id));
    let singly = places.iter().map(|(_, place)| locate::each(reach, place, &missing));
    take(&mut found, places, try_join_all(singly).await?);
    for id in ids {
        found.entry(*id).or_insert(Placed { located: Located::Absent, under: "" });
    }
    Ok(found)
}

fn take(found: &mut HashMap<u64, Placed>, places: &[(&'static str, Place)], shown: Vec<Found>) {
    for ((under, _), shown) in places.iter().zip(shown) {
        for (id, located) in shown {
            let known = found.get(&id).map(|place| &place.located);
            let better = match (&located, known) {
                (_, Some(Located::There(_))) => false,
                (Located::There(_) | Located::Hidden(_), _) | (Located::Absent, None) => true,
                (Located::Absent, Some(_)) => false,
            };
            if better {
                found.insert(id, Placed { located, under });
            }
        }
    }
}
