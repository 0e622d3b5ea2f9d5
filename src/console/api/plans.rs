//! Plans: shown first, applied as they were shown.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id;
use super::jobs::Row as JobRow;
use super::plan_view::PlanView;
use crate::console::auth::Caller;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::console::{Console, body};
use crate::domain::ids::PlanId;
use crate::engine::restore::{RestoreAsk, Wanted};

/// What to bring back: one of `entries`, `operation` and `job`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct NewPlan {
    /// Ids of entries.
    #[serde(default)]
    entries: Option<Vec<String>>,
    /// All that this operation destroyed.
    #[serde(default)]
    operation: Option<String>,
    /// All that this job was about.
    #[serde(default)]
    job: Option<String>,
    /// Whether parents that lie in the bin come back too. Without them their children are skipped.
    #[serde(default = "yes")]
    include_parents: bool,
}

fn yes() -> bool {
    true
}

/// Which plan exactly.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Digest {
    /// The digest of the plan as it was shown.
    digest: String,
}

/// The job that applies a plan.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct JobAnswer {
    pub(super) job: JobRow,
}

impl NewPlan {
    fn wanted(&self) -> Result<Wanted, Problem> {
        match (&self.entries, &self.operation, &self.job) {
            (Some(entries), None, None) => {
                let ids = entries.iter().map(|text| {
                    text.parse().map_err(|_| Problem::bad_value("entries", "holds something that is no id of an entry"))
                });
                Ok(Wanted::Entries(ids.collect::<Result<_, _>>()?))
            }
            (None, Some(text), None) => Ok(Wanted::Operation(named("operation", text)?)),
            (None, None, Some(text)) => Ok(Wanted::Job(named("job", text)?)),
            _ => Err(Problem::bad_value("entries", "give exactly one of entries, operation and job")),
        }
    }
}

fn named<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::bad_value(field, format_args!("is not the id of a {field}")))
}

/// Plans a restore. Reads the CRM; changes nothing.
#[utoipa::path(post, path = "/api/v1/restore-plans", tag = "restores", request_body = NewPlan,
    responses((status = 201, body = PlanView), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn create(
    State(console): State<Console>,
    Caller(caller): Caller,
    body::Json(new): body::Json<NewPlan>,
) -> Result<(StatusCode, Json<PlanView>), Problem> {
    let ask = RestoreAsk { of: new.wanted()?, include_parents: new.include_parents };
    let plan = console.engine.plan_restore(ask, &caller.person).await?;
    Ok((StatusCode::CREATED, Json(PlanView::from(&plan))))
}

/// One plan, as it was made.
#[utoipa::path(get, path = "/api/v1/restore-plans/{id}", tag = "restores",
    params(("id" = String, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn one(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<PlanView>, Problem> {
    let plan = console.engine.plan(id::<PlanId>("plan", &text)?).await?;
    Ok(Json(PlanView::from(&plan)))
}

/// Applies exactly the plan with this digest, once: a repeat answers the same job.
#[utoipa::path(post, path = "/api/v1/restore-plans/{id}/apply", tag = "restores", request_body = Digest,
    params(("id" = String, Path)),
    responses((status = 202, body = JobAnswer), (status = 404, body = ProblemBody),
        (status = 409, description = "`plan_changed`: make a new plan", body = ProblemBody)))]
pub(in crate::console) async fn apply(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(text): Path<String>,
    body::Json(Digest { digest }): body::Json<Digest>,
) -> Result<(StatusCode, Json<JobAnswer>), Problem> {
    let job = console.engine.apply(id::<PlanId>("plan", &text)?, &digest, &caller.person).await?;
    Ok((StatusCode::ACCEPTED, Json(JobAnswer { job: job.into() })))
}
