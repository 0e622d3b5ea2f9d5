//! How a plan looks to clients.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::entry_view::LossView;
use super::{stamp, word};
use crate::domain::plan::{Plan, Step};

/// What would be done, and what will not come back. Nothing is changed until it is applied.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub(in crate::console) struct PlanView {
    id: String,
    /// `restore` or `delete`.
    kind: String,
    connection: String,
    /// The operation it undoes, where it was made for one.
    operation: Option<String>,
    /// Give it to `apply`: exactly this plan is applied, or none.
    digest: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// In the order in which they are applied.
    steps: Vec<StepView>,
    losses: Vec<LossView>,
    /// Steps by what they do.
    counts: BTreeMap<String, u64>,
    /// Requests it will cost, about.
    requests: u64,
    /// Seconds it will take, about.
    eta_seconds: u64,
}

/// One step of a plan.
#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
struct StepView {
    number: u32,
    /// Steps of one wave may run together; waves follow each other.
    wave: u8,
    /// `undelete`, `recreate`, `relink`, `skip`, `delete` or `set`.
    what: String,
    /// Under its old name (`contacts/2001`).
    record: String,
    entry: String,
    /// Whether it makes the entry's record itself, not something that hangs on it.
    root: bool,
    /// Records that earlier steps bring back and this one needs.
    after: Vec<String>,
    /// For `skip`: a stable word.
    reason: Option<String>,
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        Self {
            id: plan.id.to_string(),
            kind: word(&plan.kind),
            connection: plan.connection.clone(),
            operation: plan.operation.map(|operation| operation.to_string()),
            digest: plan.digest.clone(),
            created_at: stamp(plan.created_at),
            steps: plan.steps.iter().map(StepView::from).collect(),
            losses: plan.losses.iter().cloned().map(LossView::from).collect(),
            counts: plan.counts.iter().map(|(what, count)| (word(what), *count)).collect(),
            requests: plan.requests,
            eta_seconds: plan.eta_seconds,
        }
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        Self {
            number: step.number,
            wave: step.wave,
            what: word(&step.what),
            record: step.record.to_string(),
            entry: step.entry.to_string(),
            root: step.root,
            after: step.after.iter().map(ToString::to_string).collect(),
            reason: step.reason.clone(),
        }
    }
}
