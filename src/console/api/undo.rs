//! One undo for each operation.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::id;
use super::plan_view::PlanView;
use super::plans::JobAnswer;
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::params::Params;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::ids::OperationId;
use crate::engine::restore::{RestoreAsk, Wanted};

/// What an undo takes.
pub(in crate::console) const PARAMS: &[&str] = &["apply"];

/// Plans to bring back all that an operation destroyed; with `apply=true` also applies the plan at once.
#[utoipa::path(post, path = "/api/v1/operations/{id}/undo", tag = "operations", params(
    ("id" = String, Path),
    ("apply" = Option<bool>, Query, description = "Apply the plan at once, unseen: answers 202 and the job"),
), responses((status = 201, body = PlanView), (status = 202, body = JobAnswer), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn undo(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(text): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let at_once = params.parsed::<bool>("apply", "true or false")?.unwrap_or(false);
    let of = Wanted::Operation(id::<OperationId>("operation", &text)?);
    let plan = console.engine.plan_restore(RestoreAsk { of, include_parents: true }, &caller.person).await?;
    if !at_once {
        return Ok((StatusCode::CREATED, Json(PlanView::from(&plan))).into_response());
    }
    let job = console.engine.queue(&plan, &caller.person).await?;
    Ok((StatusCode::ACCEPTED, Json(JobAnswer { job: job.into() })).into_response())
}
