//! Records by id: out of a list whose filter is checked, then one by one.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;

use super::page::{Unread, get, record, refusal};
use super::row::Row;
use super::walk::{Comes, List, filter, in_chunks, walk};
use crate::crm::amocrm::wire::numeric_id;
use crate::crm::upstream::flow::is_html;
use crate::crm::{CrmError, Reach};
use crate::domain::record::RecordRef;

/// Reads of one kind under way at once; the account's budget orders them.
pub(super) const AT_ONCE: usize = 16;

/// What became of one record.
#[derive(Clone, Debug)]
pub(super) enum Located {
    There(Row),
    Absent,
    Hidden(String),
}

/// A list of records, where `{path}/{id}` is one of them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub path: String,
    /// `with=…`, or nothing.
    pub with: &'static str,
    pub key: &'static str,
    /// Whether 404 says that there is no such record. §1.5: cards answer 204.
    pub or_404: bool,
}

pub(super) type Found = HashMap<u64, Located>;

/// What was found of each record, by its name. A record that nothing was said of is left out.
pub(super) fn by_record<'a>(records: &[&'a RecordRef], found: &Found) -> Vec<(&'a RecordRef, Located)> {
    let one = |record: &&'a RecordRef| Some((*record, found.get(&numeric_id(&record.id)?)?.clone()));
    records.iter().filter_map(one).collect()
}

/// All of `ids`: one by its id, more by list, those missing there by their ids.
pub(super) async fn locate(reach: Reach<'_>, place: &Place, ids: &[u64]) -> Result<Found, CrmError> {
    if let [id] = ids {
        return Ok(HashMap::from([(*id, one(reach, place, *id).await?)]));
    }
    let (mut found, missing) = split(ids, list(reach, place, ids).await?);
    found.extend(each(reach, place, &missing).await?);
    Ok(found)
}

/// What a list showed, and which ids it did not.
pub(super) fn split(ids: &[u64], found: Found) -> (Found, Vec<u64>) {
    let missing = ids.iter().copied().filter(|id| !found.contains_key(id)).collect();
    (found, missing)
}

/// Those a list shows. A list that ignores its filter shows none; one that cannot be read hides all of its ids.
pub(super) async fn list(reach: Reach<'_>, place: &Place, ids: &[u64]) -> Result<Found, CrmError> {
    let chunks = in_chunks("id", ids).into_iter().map(|chunk| async move {
        let belongs = |row: &Row| row.id().is_some_and(|id| chunk.contains(&id));
        let query = join(place.with, &filter("id", chunk));
        let comes = Comes::Named(chunk.len());
        let list = List { path: place.path.clone(), query, key: place.key, comes, belongs: &belongs };
        match walk(reach, &list).await {
            Ok(rows) => Ok(rows.into_iter().filter_map(|row| Some((row.id()?, there(row)))).collect()),
            Err(Unread::Ignored) => Ok(Found::new()),
            Err(Unread::Hidden(why)) => Ok(chunk.iter().map(|id| (*id, Located::Hidden(why.clone()))).collect()),
            Err(Unread::Down(error)) => Err(error),
        }
    });
    let chunks: Vec<Found> = stream::iter(chunks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(chunks.into_iter().flatten().collect())
}

/// Each by its id.
pub(super) async fn each(reach: Reach<'_>, place: &Place, ids: &[u64]) -> Result<Found, CrmError> {
    let asked = ids.iter().map(|id| async move { Ok((*id, one(reach, place, *id).await?)) });
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
}

/// One by its id: the only word on a record that needs no second one.
pub(super) async fn one(reach: Reach<'_>, place: &Place, id: u64) -> Result<Located, CrmError> {
    let query = if place.with.is_empty() { String::new() } else { format!("?{}", place.with) };
    let answer = get(reach, format!("{}/{id}{query}", place.path)).await?;
    Ok(match answer.status {
        StatusCode::OK => match record(&answer).filter(|row| row.id() == Some(id)) {
            Some(row) => there(row),
            None => Located::Hidden(format!("the CRM's answer about {} is not of the known shape", place.key)),
        },
        StatusCode::NO_CONTENT => Located::Absent,
        StatusCode::NOT_FOUND if place.or_404 && !is_html(&answer.headers) => Located::Absent,
        // §2.4: an account without customers has no notes of customers.
        StatusCode::UNPROCESSABLE_ENTITY if place.path == "/api/v4/customers/notes" => Located::Absent,
        _ => Located::Hidden(refusal(&answer, place.key)),
    })
}

/// A row that says it is deleted is not there.
fn there(row: Row) -> Located {
    let deleted = row.value.get("is_deleted").and_then(serde_json::Value::as_bool) == Some(true);
    if deleted { Located::Absent } else { Located::There(row) }
}

fn join(a: &str, b: &str) -> String {
    if a.is_empty() { b.to_owned() } else { format!("{a}&{b}") }
}
