//! What people may ask of a job.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;

use super::id;
use super::plans::JobAnswer;
use crate::console::Console;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::ids::JobId;
use crate::engine::jobs::verbs::Verb;

type Answer = Result<(StatusCode, Json<JobAnswer>), Problem>;

/// Stops a job after the batch under way, until it is resumed.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/pause", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = JobAnswer), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(in crate::console) async fn pause(State(console): State<Console>, Path(text): Path<String>) -> Answer {
    steer(&console, &text, Verb::Pause).await
}

/// Lets a paused job go on where it was.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/resume", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = JobAnswer), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(in crate::console) async fn resume(State(console): State<Console>, Path(text): Path<String>) -> Answer {
    steer(&console, &text, Verb::Resume).await
}

/// Stops a job for good after the batch under way. What came back stays.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = JobAnswer), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(in crate::console) async fn cancel(State(console): State<Console>, Path(text): Path<String>) -> Answer {
    steer(&console, &text, Verb::Cancel).await
}

/// Tries again what failed. What may have been made is looked for, never made again blindly.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = JobAnswer), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(in crate::console) async fn retry(State(console): State<Console>, Path(text): Path<String>) -> Answer {
    steer(&console, &text, Verb::Retry).await
}

async fn steer(console: &Console, text: &str, verb: Verb) -> Answer {
    let job = console.engine.steer(id::<JobId>("job", text)?, verb).await?;
    Ok((StatusCode::ACCEPTED, Json(JobAnswer { job: job.into() })))
}
