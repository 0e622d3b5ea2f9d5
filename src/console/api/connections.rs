//! The configured CRM accounts.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::stamp;
use crate::console::Console;

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
        });
    }
    Json(Connections { connections, next: None })
}
