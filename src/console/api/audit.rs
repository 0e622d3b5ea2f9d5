//! The ledger, as it is told to people.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{stamp, word};
use crate::archive::audit::Anchors;
use crate::console::params::{Params, opaque};
use crate::console::problem::Problem;
use crate::console::{Console, body};
use crate::domain::event::{Event, Recorded};

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Audit {
    events: Vec<Row>,
    /// Give it as `cursor` to get the next page; null at the end.
    next: Option<String>,
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct Row {
    /// Position in the whole ledger; what everything is ordered by.
    seq: u64,
    /// What it is a part of: `operation/…`, `plan/…`, `job/…`, `tokens`, `gateway/…`.
    stream: String,
    version: u64,
    /// When. For people: clocks jump.
    #[schema(format = DateTime)]
    at: String,
    /// What: a stable word.
    event: String,
    /// The rest of it; the keys depend on `event`.
    data: Value,
}

/// Everything that happened, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(
    ("limit" = Option<u32>, Query, description = "Rows of a page: 50 if not given, at most 200"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, body = Audit)))]
pub(in crate::console) async fn list(State(console): State<Console>, params: Params) -> Result<Json<Audit>, Problem> {
    let page = console.engine.bin().audit(params.limit()?, params.cursor("audit")?.as_deref()).await?;
    let events = page.rows.iter().map(Row::from).collect();
    Ok(Json(Audit { events, next: opaque("audit", page.next) }))
}

/// What to compare with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Compared {
    /// Lines of an anchor file: heads of the chain that were sent out before.
    #[serde(default)]
    anchors: String,
}

/// What reading the whole chain found.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Verified {
    /// Frames that are in the chain.
    frames: u64,
    /// Events that were read.
    events: u64,
    /// Heads that were compared.
    anchors: u64,
    /// The last frame that a head covers.
    anchored: u64,
    /// What is not as it was, each with its position. Empty: nothing was changed before the last head.
    findings: Vec<String>,
}

/// Reads the whole archive and compares it with heads of the audit chain that were sent out. Takes as long as the disk
/// does; changes nothing.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "audit", request_body = Compared,
    responses((status = 200, body = Verified)))]
pub(in crate::console) async fn verify(
    State(console): State<Console>,
    body::Json(compared): body::Json<Compared>,
) -> Result<Json<Verified>, Problem> {
    let report = console.engine.verify_audit(Anchors::read(&compared.anchors)).await?;
    Ok(Json(Verified {
        frames: report.frames,
        events: report.events,
        anchors: report.anchors,
        anchored: report.anchored,
        findings: report.findings,
    }))
}

impl From<&Recorded> for Row {
    fn from(recorded: &Recorded) -> Self {
        let mut data = told(&recorded.event);
        let event = data.as_object_mut().and_then(|data| data.shift_remove("event"));
        Self {
            seq: recorded.seq,
            stream: recorded.stream.0.clone(),
            version: recorded.version,
            at: stamp(recorded.at),
            event: event.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            data,
        }
    }
}

/// An event without what the audit log has no business to show: hashes of secrets, and the values that plans and
/// reports hold. Those are shown by the plan and the job themselves.
fn told(event: &Event) -> Value {
    match event {
        Event::TokenIssued { token, person, role, by, .. } => {
            json!({ "event": "token_issued", "token": token, "person": person, "role": role, "by": by })
        }
        Event::PlanMade { plan, by } => json!({
            "event": "plan_made", "plan": plan.id, "kind": plan.kind, "connection": plan.connection,
            "operation": plan.operation, "digest": plan.digest, "records": plan.basis.len(),
            "steps": plan.steps.len(), "losses": plan.losses.len(), "by": by,
        }),
        Event::Told { status, undo, .. } => json!({ "event": "told", "status": status, "undo": undo }),
        Event::Reported { report } => json!({
            "event": "reported", "losses": report.losses.len(), "differences": report.differences.len(),
            "compared": report.compared,
        }),
        other => serde_json::to_value(other).unwrap_or_else(|_| json!({ "event": word(other) })),
    }
}
