//! The bin.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::entry_view::{EntryDetail, Row};
use super::id;
use crate::archive::{ArchiveError, EntryFilter};
use crate::console::Console;
use crate::console::params::{Params, opaque};
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::entry::Entry;
use crate::domain::ids::EntryId;
use crate::domain::restore::Difference;
use crate::engine::EngineError;

/// What the list can be narrowed by.
pub(in crate::console) const FILTERS: &[&str] =
    &["connection", "object", "q", "state", "operation", "deleted_after", "deleted_before", "limit", "cursor"];

/// A page of the bin.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Entries {
    entries: Vec<Row>,
    /// Give it as `cursor` to get the next page; null at the end.
    next: Option<String>,
}

/// The bin, newest deletion first. `kept`, `forgotten` and `erased` entries only if `state` names them.
#[utoipa::path(get, path = "/api/v1/entries", tag = "entries", params(
    ("connection" = Option<String>, Query, description = "Of this connection"),
    ("object" = Option<String>, Query, description = "Of this kind (`contacts`)"),
    ("q" = Option<String>, Query, description = "Whose name, e-mail, phone (last digits) or old id matches"),
    ("state" = Option<String>, Query, description = "In this state; several with commas between them"),
    ("operation" = Option<String>, Query, description = "Destroyed by this operation"),
    ("deleted_after" = Option<String>, Query, description = "Deleted at this time or later"),
    ("deleted_before" = Option<String>, Query, description = "Deleted before this time"),
    ("limit" = Option<u32>, Query, description = "Rows of a page: 50 if not given, at most 200"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, body = Entries)))]
pub(in crate::console) async fn list(State(console): State<Console>, params: Params) -> Result<Json<Entries>, Problem> {
    let filter = EntryFilter {
        connection: params.text("connection")?.map(str::to_owned),
        object: params.text("object")?.map(str::to_owned),
        q: params.text("q")?.map(str::to_owned),
        states: params.words("state")?,
        operation: params.parsed("operation", "the id of an operation")?,
        deleted_after: params.moment("deleted_after")?,
        deleted_before: params.moment("deleted_before")?,
        limit: params.limit()?,
        cursor: params.cursor("entries")?,
    };
    let page = console.engine.bin().entries(&filter).await?;
    if page.rows.is_empty() {
        super::known_connection(&console, filter.connection.as_deref())?;
    }
    let entries = page.rows.into_iter().map(Row::from).collect();
    Ok(Json(Entries { entries, next: opaque("entries", page.next) }))
}

/// One entry, with its snapshot and what will and will not come back.
#[utoipa::path(get, path = "/api/v1/entries/{id}", tag = "entries",
    params(("id" = String, Path)),
    responses((status = 200, body = EntryDetail), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn one(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<EntryDetail>, Problem> {
    let entry = find(&console, &text).await?;
    let kept = match console.engine.snapshot(&entry.snapshot).await {
        Ok(snapshot) => {
            let prospect = console.engine.prospect(&snapshot).await;
            Some((snapshot, prospect))
        }
        Err(EngineError::Archive(ArchiveError::NotFound(_))) => None,
        Err(error) => return Err(error.into()),
    };
    let changed = console.engine.is_changed_after_snapshot(&entry).await?;
    Ok(Json(EntryDetail::new(entry, kept, changed)))
}

/// What became of it: the archived record beside the one that stands in the CRM now.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Comparison {
    /// The record that was looked for: the restored one, else the old one.
    record: String,
    /// Whether it is there.
    alive: bool,
    /// Empty if it is not there.
    differences: Vec<DifferenceView>,
}

/// A field that is not what it was.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
pub(super) struct DifferenceView {
    pub(super) record: String,
    pub(super) field: String,
    /// The archived value, as JSON text.
    pub(super) was: String,
    /// The value in the CRM, as JSON text.
    pub(super) is: String,
}

/// The archived record beside the one in the CRM, field by field. Costs requests to the CRM.
#[utoipa::path(get, path = "/api/v1/entries/{id}/diff", tag = "entries",
    params(("id" = String, Path)),
    responses((status = 200, body = Comparison), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn diff(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<Comparison>, Problem> {
    let entry = find(&console, &text).await?;
    let found = console.engine.compare_now(&entry).await?;
    let differences = found.differences.into_iter().map(DifferenceView::from).collect();
    Ok(Json(Comparison { record: found.record.to_string(), alive: found.alive, differences }))
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let Difference { record, field, was, is } = difference;
        Self { record: record.to_string(), field, was, is }
    }
}

async fn find(console: &Console, text: &str) -> Result<Entry, Problem> {
    let id: EntryId = id("entry", text)?;
    console.engine.bin().entry(id).await?.ok_or_else(|| Problem::not_found(format_args!("entry {id}")))
}
