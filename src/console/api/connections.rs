//! The configured CRM accounts.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stamp;
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::body;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::crm::upstream::Upstream;

/// The configured CRM accounts.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Connections {
    connections: Vec<Row>,
    /// Always null: the list is short and comes whole.
    next: Option<String>,
}

/// One CRM account.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
struct Row {
    name: String,
    vendor: String,
    /// Whether it has a token of its own. Restores need one.
    own_token: bool,
    /// Whether the CRM answered when somebody last wanted to see it; null if nobody has since the start.
    reachable: Option<bool>,
    #[schema(format = DateTime)]
    looked_at: Option<String>,
    /// If it is not reachable: why.
    reason: Option<String>,
    /// Null unless it has a client of its own whose access is kept alive.
    access: Option<AccessView>,
}

/// How access stands that is kept alive.
#[derive(Serialize, ToSchema)]
#[schema(as = Access)]
pub(in crate::console) struct AccessView {
    /// `good`, `late` (works, could not be renewed yet), `uncertain` (the answer to a refresh was lost) or
    /// `reauthorize` (a person has to let it in again).
    state: String,
    /// When the token at hand ends.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// If it is not good: why.
    reason: Option<String>,
}

impl AccessView {
    fn of(upstream: &Upstream) -> Option<Self> {
        let report = upstream.grant()?.report();
        Some(Self {
            state: report.standing.word().to_owned(),
            ends_at: report.ends_at.map(stamp),
            reason: report.standing.reason().map(ToOwned::to_owned),
        })
    }
}

/// What a person was given when he let the client in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Code {
    /// Good once and, at amoCRM, for 20 minutes.
    code: String,
}

/// The configured CRM accounts. Costs no request to any CRM.
#[utoipa::path(get, path = "/api/v1/connections", tag = "connections", responses((status = 200, body = Connections)))]
pub(in crate::console) async fn list(State(console): State<Console>) -> Json<Connections> {
    let mut connections = Vec::new();
    for (name, connection) in console.engine.connections() {
        let look = console.engine.last_look(name).await;
        connections.push(Row {
            name: name.clone(),
            vendor: connection.connector.vendor().to_owned(),
            own_token: connection.has_own_token,
            reachable: look.as_ref().map(|(_, what)| what.is_ok()),
            looked_at: look.as_ref().map(|(at, _)| stamp(*at)),
            reason: look.and_then(|(_, what)| what.err()),
            access: AccessView::of(&connection.upstream),
        });
    }
    Json(Connections { connections, next: None })
}

/// Lets the connection's own client in: exchanges the code that the CRM gave to a person for tokens, and keeps them.
#[utoipa::path(post, path = "/api/v1/connections/{id}/connect", tag = "connections", request_body = Code,
    params(("id" = String, Path, description = "Name of the connection")),
    responses((status = 200, body = AccessView), (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn connect(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    body::Json(code): body::Json<Code>,
) -> Result<Json<AccessView>, Problem> {
    let connection = console.engine.connection(&name)?;
    console.engine.connect(&name, &code.code, &caller.person).await?;
    AccessView::of(&connection.upstream).map(Json).ok_or_else(|| Problem::internal(&"connected without a keeper"))
}
