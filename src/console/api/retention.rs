//! What retention would drop, and a pass now.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{stamp, word};
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::body;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::entry::Entry;
use crate::engine::retention::{Forecast, Passed};

/// Rows of each list.
const MOST: usize = 200;

/// What the next pass would do. Nothing is changed by asking.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Retention {
    /// Why there will be no pass until a person has looked; null while it goes on.
    stopped: Option<String>,
    /// When the next pass may be.
    #[schema(format = DateTime)]
    next_pass: String,
    /// Entries a pass marks at most: 1 % of the bin.
    cap: usize,
    /// How many would be dropped: they were marked by the pass before.
    drop_count: usize,
    /// The first 200 of them.
    drops: Vec<Row>,
    /// How many would be marked, to be dropped a day later at the earliest.
    mark_count: usize,
    /// The first 200 of them.
    marks: Vec<Row>,
    /// Entries whose time is over and that a legal hold keeps.
    held: u64,
}

/// An entry, without the name of anybody.
#[derive(Serialize, ToSchema)]
#[schema(as = RetentionEntry)]
struct Row {
    id: String,
    connection: String,
    record: String,
    state: String,
    #[schema(format = DateTime)]
    deleted_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            connection: entry.connection.clone(),
            record: entry.record.to_string(),
            state: word(&entry.state),
            deleted_at: stamp(entry.deleted_at),
            expires_at: stamp(entry.expires_at),
        }
    }
}

impl From<Forecast> for Retention {
    fn from(forecast: Forecast) -> Self {
        let rows = |entries: &[Entry]| entries.iter().take(MOST).map(Row::from).collect();
        Self {
            stopped: forecast.stopped,
            next_pass: stamp(forecast.next_pass),
            cap: forecast.cap,
            drop_count: forecast.drops.len(),
            drops: rows(&forecast.drops),
            mark_count: forecast.marks.len(),
            marks: rows(&forecast.marks),
            held: forecast.held,
        }
    }
}

/// How a pass is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Order {
    /// A person has looked at the clock of this machine: it is believed from here on. Such a pass only marks.
    #[serde(default)]
    clock_is_right: bool,
}

/// What a pass did.
#[derive(Serialize, ToSchema)]
#[schema(as = RetentionPass)]
pub(in crate::console) struct Done {
    dropped: usize,
    marked: usize,
}

/// What the next pass would drop and mark.
#[utoipa::path(get, path = "/api/v1/retention", tag = "retention", responses((status = 200, body = Retention)))]
pub(in crate::console) async fn forecast(State(console): State<Console>) -> Result<Json<Retention>, Problem> {
    Ok(Json(console.engine.retention_forecast().await?.into()))
}

/// A pass now, if the last one is a day old.
#[utoipa::path(post, path = "/api/v1/retention/run", tag = "retention", request_body = Order,
    responses((status = 200, body = Done),
        (status = 409, description = "Too early, or the clock cannot be believed", body = ProblemBody)))]
pub(in crate::console) async fn run(
    State(console): State<Console>,
    Caller(caller): Caller,
    body::Json(order): body::Json<Order>,
) -> Result<Json<Done>, Problem> {
    let Passed { dropped, marked } = console.engine.retention_pass(&caller.person, order.clock_is_right).await?;
    Ok(Json(Done { dropped, marked }))
}
