//! Causes that destroyed records, and one undo for each.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{id, stamp, word};
use crate::archive::OperationFilter;
use crate::console::Console;
use crate::console::params::{Params, opaque};
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::entry::Operation;
use crate::domain::ids::OperationId;

/// What the list can be narrowed by.
pub(in crate::console) const FILTERS: &[&str] = &["connection", "state", "limit", "cursor"];

/// A page of operations.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Operations {
    operations: Vec<Row>,
    /// Give it as `cursor` to get the next page; null at the end.
    next: Option<String>,
}

/// One cause that destroyed records.
#[derive(Serialize, ToSchema)]
#[schema(as = Operation)]
pub(in crate::console) struct Row {
    id: String,
    connection: String,
    state: String,
    /// `proxy`, `job` or `crm`.
    via: String,
    by: String,
    /// Stable name of the way they were destroyed (`amocrm.multiple_delete`).
    route: String,
    #[schema(format = DateTime)]
    at: String,
    /// How many records it destroyed, or tried to.
    records: usize,
    /// HTTP status of the CRM's answer, where there was one.
    answer: Option<u16>,
}

/// One operation with its entries.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct OperationDetail {
    #[serde(flatten)]
    row: Row,
    /// Ids of its entries, in the order of the request.
    entries: Vec<String>,
}

impl From<&Operation> for Row {
    fn from(operation: &Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            connection: operation.connection.clone(),
            state: word(&operation.state),
            via: word(&operation.via),
            by: operation.by.clone(),
            route: operation.route.clone(),
            at: stamp(operation.at),
            records: operation.entries.len(),
            answer: operation.answer,
        }
    }
}

/// Operations, newest first.
#[utoipa::path(get, path = "/api/v1/operations", tag = "operations", params(
    ("connection" = Option<String>, Query, description = "Of this connection"),
    ("state" = Option<String>, Query, description = "In this state; several with commas between them"),
    ("limit" = Option<u32>, Query, description = "Rows of a page: 50 if not given, at most 200"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, body = Operations)))]
pub(in crate::console) async fn list(
    State(console): State<Console>,
    params: Params,
) -> Result<Json<Operations>, Problem> {
    let filter = OperationFilter {
        connection: params.text("connection")?.map(str::to_owned),
        states: params.words("state")?,
        limit: params.limit()?,
        cursor: params.cursor("operations")?,
    };
    let page = console.engine.bin().operations(&filter).await?;
    if page.rows.is_empty() {
        super::known_connection(&console, filter.connection.as_deref())?;
    }
    let operations = page.rows.iter().map(Row::from).collect();
    Ok(Json(Operations { operations, next: opaque("operations", page.next) }))
}

/// One operation with its entries.
#[utoipa::path(get, path = "/api/v1/operations/{id}", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, body = OperationDetail), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn one(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<OperationDetail>, Problem> {
    let id: OperationId = id("operation", &text)?;
    let operation = console.engine.bin().operation(id).await?;
    let operation = operation.ok_or_else(|| Problem::not_found(format_args!("operation {id}")))?;
    let entries = operation.entries.iter().map(ToString::to_string).collect();
    Ok(Json(OperationDetail { row: Row::from(&operation), entries }))
}
