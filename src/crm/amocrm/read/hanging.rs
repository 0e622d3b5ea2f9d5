//! What hangs on cards: links, notes, tasks; files and transactions one card at a time.
//!
//! One list serves many cards. Where its filter is ignored, each card is asked for its own.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;

use super::locate::AT_ONCE;
use super::page::{Unread, get, page};
use super::row::Row;
use super::walk::{Comes, List, PAGE, filter, in_chunks, walk};
use crate::crm::upstream::flow::is_html;
use crate::crm::{CrmError, Reach};

/// Rows by card, or why they cannot be had.
pub(super) type Hung<T = Vec<Row>> = HashMap<u64, Result<T, String>>;

/// What hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Links,
    Notes,
    Tasks,
}

impl What {
    fn key(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Notes => "notes",
            Self::Tasks => "tasks",
        }
    }
}

/// All rows of a kind that hang on cards of one kind.
pub(super) async fn hanging(reach: Reach<'_>, what: What, object: &str, ids: &[u64]) -> Result<Hung, CrmError> {
    let chunks = in_chunks("entity_id", ids).into_iter().map(|chunk| of_many(reach, what, object, chunk));
    let chunks: Vec<Hung> = stream::iter(chunks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(chunks.into_iter().flatten().collect())
}

async fn of_many(reach: Reach<'_>, what: What, object: &str, ids: &[u64]) -> Result<Hung, CrmError> {
    let belongs = |row: &Row| {
        let kind = row.text("entity_type");
        let fits = if what == What::Tasks { kind == Some(object) } else { kind.is_none_or(|kind| kind == object) };
        fits && row.number("entity_id").is_some_and(|id| ids.contains(&id))
    };
    let filter = filter("entity_id", ids);
    let (path, query, comes) = match what {
        What::Links => (format!("/api/v4/{object}/links"), filter, Comes::AtOnce),
        What::Notes => (format!("/api/v4/{object}/notes"), filter, Comes::Everything),
        What::Tasks => ("/api/v4/tasks".into(), format!("filter[entity_type]={object}&{filter}"), Comes::Everything),
    };
    let list = List { path, query, key: what.key(), comes, belongs: &belongs };
    match walk(reach, &list).await {
        Ok(rows) => {
            let mut hung: Hung = ids.iter().map(|id| (*id, Ok(Vec::new()))).collect();
            for row in rows {
                if let Some(Ok(rows)) = row.number("entity_id").and_then(|id| hung.get_mut(&id)) {
                    rows.push(row);
                }
            }
            Ok(hung)
        }
        Err(Unread::Hidden(why)) => Ok(ids.iter().map(|id| (*id, Err(why.clone()))).collect()),
        Err(Unread::Ignored) if what == What::Tasks => {
            let why = "the CRM ignores the filter of its list of tasks";
            Ok(ids.iter().map(|id| (*id, Err(why.to_owned()))).collect())
        }
        Err(Unread::Ignored) => {
            let asked = ids.iter().map(|id| async move { Ok((*id, of_one(reach, what, object, *id).await?)) });
            stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
        }
        Err(Unread::Down(error)) => Err(error),
    }
}

/// The same from the card's own address. Link rows there do not repeat whose they are.
pub(super) async fn of_one(
    reach: Reach<'_>,
    what: What,
    object: &str,
    id: u64,
) -> Result<Result<Vec<Row>, String>, CrmError> {
    let belongs = |row: &Row| match row.number("entity_id") {
        Some(of) => of == id,
        None => what == What::Links,
    };
    let comes = if what == What::Links { Comes::AtOnce } else { Comes::Everything };
    let path = format!("/api/v4/{object}/{id}/{}", what.key());
    readable(walk(reach, &List { path, query: String::new(), key: what.key(), comes, belongs: &belongs }).await)
}

/// Purchases of customers.
pub(super) async fn transactions(reach: Reach<'_>, ids: &[u64]) -> Result<Hung, CrmError> {
    let asked = ids.iter().map(|id| async move {
        let path = format!("/api/v4/customers/{id}/transactions");
        let belongs = |_: &Row| true;
        let (key, comes) = ("transactions", Comes::Everything);
        let rows = walk(reach, &List { path, query: String::new(), key, comes, belongs: &belongs }).await;
        Ok((*id, readable(rows)?))
    });
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
}

/// Files of cards; `None` for a card where the CRM has no such list (404, §2.15).
pub(super) async fn files(reach: Reach<'_>, object: &str, ids: &[u64]) -> Result<Hung<Option<Vec<Row>>>, CrmError> {
    let asked = ids.iter().map(|id| async move { Ok((*id, files_of(reach, object, *id).await?)) });
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
}

async fn files_of(reach: Reach<'_>, object: &str, id: u64) -> Result<Result<Option<Vec<Row>>, String>, CrmError> {
    let path = format!("/api/v4/{object}/{id}/files");
    // A look at the status first: 404 is an answer here.
    let first = get(reach, format!("{path}?limit={PAGE}")).await?;
    if first.status == StatusCode::NOT_FOUND && !is_html(&first.headers) {
        return Ok(Ok(None));
    }
    let mut shown = match super::page::judge(&first, "files") {
        Ok(page) => page,
        Err(unread) => return readable(Err(unread)),
    };
    let mut rows: Vec<Row> = Vec::new();
    while let Some(page) = shown {
        let held = page.rows.len();
        let oldest = page.rows.iter().filter_map(Row::id).min();
        rows.extend(page.rows);
        if held < PAGE && !page.next {
            break;
        }
        let before = rows.iter().rev().skip(held).filter_map(Row::id).min();
        let Some(oldest) = oldest.filter(|oldest| before.is_none_or(|before| *oldest < before)) else {
            return Ok(Err("the CRM's pages of files repeat themselves".to_owned()));
        };
        shown = match page_before(reach, &path, oldest).await {
            Ok(page) => page,
            Err(unread) => return readable(Err(unread)),
        };
    }
    Ok(Ok(Some(rows)))
}

async fn page_before(reach: Reach<'_>, path: &str, oldest: u64) -> Result<Option<super::page::Page>, Unread> {
    page(reach, format!("{path}?limit={PAGE}&before_id={oldest}"), "files").await
}

fn readable<T>(read: Result<T, Unread>) -> Result<Result<T, String>, CrmError> {
    match read {
        Ok(rows) => Ok(Ok(rows)),
        Err(Unread::Down(error)) => Err(error),
        Err(Unread::Hidden(why)) => Ok(Err(why)),
        Err(Unread::Ignored) => Ok(Err("the CRM shows rows of other records than the one asked for".to_owned())),
    }
}
