//! Plans being applied.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::entries::DifferenceView;
use super::entry_view::LossView;
use super::{id, stamp, word};
use crate::console::Console;
use crate::console::params::{Params, opaque};
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::ids::JobId;
use crate::domain::job::{Item, Job, Report, ReportedLoss};

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Jobs {
    jobs: Vec<Row>,
    /// Give it as `cursor` to get the next page; null at the end.
    next: Option<String>,
}

/// A plan being applied.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(in crate::console) struct Row {
    id: String,
    /// `restore` or `delete`.
    kind: String,
    connection: String,
    /// The plan it applies.
    plan: String,
    state: String,
    /// Why it is in this state, where that is not plain.
    reason: Option<String>,
    /// Who started it.
    by: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Steps of the plan.
    total: u64,
    done: u64,
    failed: u64,
    skipped: u64,
    needs_review: u64,
    /// Seconds left, about; null once it is over.
    eta_seconds: Option<u64>,
    /// At the end: what was read back.
    report: Option<ReportView>,
}

/// What a job did, as read back from the CRM.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
struct ReportView {
    losses: Vec<ReportedLossView>,
    differences: Vec<DifferenceView>,
    /// Records read back and compared.
    compared: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportedLoss)]
struct ReportedLossView {
    #[serde(flatten)]
    loss: LossView,
    /// Whether the plan had said so.
    announced: bool,
}

/// A page of items.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Items {
    items: Vec<ItemRow>,
    /// Give it as `cursor` to get the next page; null at the end.
    next: Option<String>,
}

/// What became of one step.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
struct ItemRow {
    /// Number of the step in the plan.
    step: u32,
    /// Under its old name.
    record: String,
    entry: String,
    /// Whether the step makes the entry's record itself, not something that hangs on it.
    root: bool,
    state: String,
    /// Its new name; equal to `record` where the same id came back.
    restored_as: Option<String>,
    /// A stable word, for all but `done`.
    reason: Option<String>,
    losses: Vec<LossView>,
}

impl From<Job> for Row {
    fn from(job: Job) -> Self {
        Self {
            id: job.id.to_string(),
            kind: word(&job.kind),
            connection: job.connection,
            plan: job.plan.to_string(),
            state: word(&job.state),
            reason: job.reason,
            by: job.by,
            created_at: stamp(job.created_at),
            total: job.total,
            done: job.done,
            failed: job.failed,
            skipped: job.skipped,
            needs_review: job.needs_review,
            eta_seconds: job.eta_seconds,
            report: job.report.map(ReportView::from),
        }
    }
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            losses: report.losses.into_iter().map(ReportedLossView::from).collect(),
            differences: report.differences.into_iter().map(DifferenceView::from).collect(),
            compared: report.compared,
        }
    }
}

impl From<ReportedLoss> for ReportedLossView {
    fn from(reported: ReportedLoss) -> Self {
        Self { loss: reported.loss.into(), announced: reported.announced }
    }
}

impl From<Item> for ItemRow {
    fn from(item: Item) -> Self {
        Self {
            step: item.step,
            record: item.record.to_string(),
            entry: item.entry.to_string(),
            root: item.root,
            state: word(&item.state),
            restored_as: item.restored_as.map(|record| record.to_string()),
            reason: item.reason,
            losses: item.losses.into_iter().map(LossView::from).collect(),
        }
    }
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(
    ("limit" = Option<u32>, Query, description = "Rows of a page: 50 if not given, at most 200"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, body = Jobs)))]
pub(in crate::console) async fn list(State(console): State<Console>, params: Params) -> Result<Json<Jobs>, Problem> {
    let page = console.engine.bin().jobs(params.limit()?, params.cursor("jobs")?.as_deref()).await?;
    let jobs = page.rows.into_iter().map(Row::from).collect();
    Ok(Json(Jobs { jobs, next: opaque("jobs", page.next) }))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path)),
    responses((status = 200, body = Row), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn one(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<Row>, Problem> {
    Ok(Json(find(&console, &text).await?.into()))
}

/// What became of each step of a job, in the order of the plan.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/items", tag = "jobs", params(
    ("id" = String, Path),
    ("limit" = Option<u32>, Query, description = "Rows of a page: 50 if not given, at most 200"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, body = Items), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn items(
    State(console): State<Console>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Json<Items>, Problem> {
    let job = find(&console, &text).await?;
    let page = console.engine.bin().items(job.id, params.limit()?, params.cursor("items")?.as_deref()).await?;
    let items = page.rows.into_iter().map(ItemRow::from).collect();
    Ok(Json(Items { items, next: opaque("items", page.next) }))
}

pub(super) async fn find(console: &Console, text: &str) -> Result<Job, Problem> {
    let id: JobId = id("job", text)?;
    Ok(console.engine.job(id).await?)
}
