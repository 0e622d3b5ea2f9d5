//! A plan being applied.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{EntryId, JobId, PlanId};
use super::lifecycle::{Illegal, Lifecycle};
use super::plan::PlanKind;
use super::record::RecordRef;
use super::restore::{Difference, Loss};

/// States of a job; the words of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Runs.
    Running,
    /// Stopped by a person or at shutdown; goes on where it was.
    Paused,
    /// Everything came back.
    Done,
    /// Something came back, something did not.
    Partial,
    /// Nothing came back.
    Failed,
    /// Stopped for good by a person.
    Cancelled,
    /// It cannot be known whether something was made.
    NeedsReview,
}

impl JobState {
    /// Whether it will not change by itself any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Partial | Self::Failed | Self::Cancelled | Self::NeedsReview)
    }
}

impl Lifecycle for JobState {
    type Event = JobState;

    fn next(&self, to: &JobState) -> Result<Self, Illegal> {
        use JobState::{Cancelled, Done, Failed, NeedsReview, Partial, Paused, Queued, Running};
        match (self, to) {
            (Queued, Running | Paused | Cancelled)
            | (Running, Queued | Paused | Done | Partial | Failed | Cancelled | NeedsReview)
            | (Paused | Partial | Failed | NeedsReview, Queued)
            | (Paused, Cancelled)
            // A person has settled what was in doubt.
            | (NeedsReview, Done | Partial | Failed) => Ok(*to),
            _ => Err(Illegal::new(self, to)),
        }
    }
}

/// A plan being applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Restore or delete.
    pub kind: PlanKind,
    /// The connection it runs on.
    pub connection: String,
    /// The plan.
    pub plan: PlanId,
    /// Its state.
    pub state: JobState,
    /// Why it is in this state, where that is not plain.
    pub reason: Option<String>,
    /// Who started it.
    pub by: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Steps of the plan.
    pub total: u64,
    /// Steps done.
    pub done: u64,
    /// Steps that failed.
    pub failed: u64,
    /// Steps skipped.
    pub skipped: u64,
    /// Steps that a person has to look at.
    pub needs_review: u64,
    /// Seconds left, about; null once it is over.
    pub eta_seconds: Option<u64>,
    /// At the end.
    pub report: Option<Report>,
}

/// States of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Written. The job's report says what reading back found.
    Done,
    /// Not written.
    Failed,
    /// Nothing to do, for a reason.
    Skipped,
    /// It cannot be known whether it was written.
    NeedsReview,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Number of the step in the plan.
    pub step: u32,
    /// The record, under its old name.
    pub record: RecordRef,
    /// The entry the step belongs to.
    pub entry: EntryId,
    /// Whether the step makes the entry's record itself.
    pub root: bool,
    /// What became of it.
    pub state: ItemState,
    /// Its new name; equal to `record` where the same id came back.
    pub restored_as: Option<RecordRef>,
    /// A stable word, for all but `done`.
    pub reason: Option<String>,
    /// What this step lost that the plan had not announced.
    pub losses: Vec<Loss>,
}

/// What a job did, as read back from the CRM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Every loss, announced by the plan or found on the way.
    pub losses: Vec<ReportedLoss>,
    /// What reading back found to be different.
    pub differences: Vec<Difference>,
    /// Records read back and compared.
    pub compared: u64,
}

/// A loss, and whether the plan had said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedLoss {
    /// The loss.
    #[serde(flatten)]
    pub loss: Loss,
    /// Whether the plan announced it.
    pub announced: bool,
}
