//! Legal holds.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id, stamp};
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::body;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::hold::Hold;
use crate::domain::record::RecordRef;

/// Every hold that was ever placed.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Holds {
    holds: Vec<Row>,
    /// Always null: the list is short and comes whole.
    next: Option<String>,
}

/// Records that may neither be forgotten nor erased.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(in crate::console) struct Row {
    id: String,
    connection: String,
    /// Empty: all of the connection.
    records: Vec<String>,
    /// Why, in the words of who placed it.
    ground: String,
    #[schema(format = DateTime)]
    placed_at: String,
    placed_by: String,
    /// Null while it holds.
    #[schema(format = DateTime)]
    released_at: Option<String>,
    released_by: Option<String>,
}

impl From<Hold> for Row {
    fn from(hold: Hold) -> Self {
        let (released_at, released_by) = hold.released.map(|(at, by)| (stamp(at), by)).unzip();
        Self {
            id: hold.id.to_string(),
            connection: hold.connection,
            records: hold.records.iter().map(ToString::to_string).collect(),
            ground: hold.ground,
            placed_at: stamp(hold.placed_at),
            placed_by: hold.placed_by,
            released_at,
            released_by,
        }
    }
}

/// What is to be held, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct NewHold {
    connection: String,
    /// `contacts/2001`, …
    #[serde(default)]
    records: Vec<String>,
    /// Everything of the connection; then no records are named.
    #[serde(default)]
    all: bool,
    ground: String,
}

/// Every hold ever placed.
#[utoipa::path(get, path = "/api/v1/holds", tag = "holds", responses((status = 200, body = Holds)))]
pub(in crate::console) async fn list(State(console): State<Console>) -> Result<Json<Holds>, Problem> {
    let holds = console.engine.holds().await?.into_iter().map(Row::from).collect();
    Ok(Json(Holds { holds, next: None }))
}

/// Places a hold. What is held is neither forgotten nor erased.
#[utoipa::path(post, path = "/api/v1/holds", tag = "holds", request_body = NewHold,
    responses((status = 201, body = Row), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn place(
    State(console): State<Console>,
    Caller(caller): Caller,
    body::Json(new): body::Json<NewHold>,
) -> Result<(StatusCode, Json<Row>), Problem> {
    // An empty list by mistake must not become a hold on everything, nor the other way round.
    if new.all != new.records.is_empty() {
        return Err(Problem::bad_value("records", "name at least one, or say all: true and name none"));
    }
    let records: Result<Vec<RecordRef>, _> = new.records.iter().map(|text| text.parse()).collect();
    let records = records.map_err(|_| Problem::bad_value("records", "each is object/id, like contacts/2001"))?;
    let hold = console.engine.place_hold(&new.connection, records, &new.ground, &caller.person).await?;
    Ok((StatusCode::CREATED, Json(hold.into())))
}

/// Lifts a hold.
#[utoipa::path(delete, path = "/api/v1/holds/{id}", tag = "holds",
    params(("id" = String, Path)),
    responses((status = 204, description = "Released"), (status = 404, body = ProblemBody),
        (status = 409, description = "It is released already", body = ProblemBody)))]
pub(in crate::console) async fn release(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(text): Path<String>,
) -> Result<StatusCode, Problem> {
    console.engine.release_hold(id("hold", &text)?, &caller.person).await?;
    Ok(StatusCode::NO_CONTENT)
}
