//! What nobody but a person can decide. Nothing is guessed: the evidence is shown side by side, and what the person
//! found is written down with a name and a reason, before anything follows from it.
//!
//! | file | idea |
//! | --- | --- |
//! | `evidence` | what was meant, what the CRM answered, what it shows now |
//! | `resolve` | a person's finding, and what follows from it |

mod evidence;
mod resolve;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::jobs::Progress;
use super::{Engine, EngineError};
use crate::archive::OperationFilter;
use crate::domain::entry::OperationState;
use crate::domain::job::{Item, ItemState, Job};
use crate::domain::record::RecordRef;
use crate::domain::review::ReviewId;

pub use evidence::{Evidence, Meant, Now, Seen};
pub use resolve::Finding;

/// Something that waits for a person.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its name.
    pub id: ReviewId,
    /// Connection.
    pub connection: String,
    /// Since when: of a delete, when it was recorded; of a step, when it was about to be sent.
    pub since: Timestamp,
    /// The records it is about; of a delete, those whose fate is not known.
    pub records: Vec<RecordRef>,
    /// A stable word.
    pub why: String,
}

impl Engine {
    /// Everything that waits for a person: deletes, then steps of jobs that have ended, newest first each.
    pub async fn reviews(&self) -> Result<Vec<Open>, EngineError> {
        let mut open = Vec::new();
        let states = vec![OperationState::NeedsReview];
        let mut filter = OperationFilter { states, limit: 200, ..OperationFilter::default() };
        loop {
            let page = self.store.operations(&filter).await?;
            for operation in &page.rows {
                open.push(self.open_delete(operation).await?);
            }
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => break,
            }
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = self.store.jobs(200, cursor.as_deref()).await?;
            for job in page.rows.iter().filter(|job| job.needs_review > 0 && job.state.is_final()) {
                let progress = Progress::read(self.store.as_ref(), job.id).await?;
                let doubtful = progress.items.values().filter(|item| item.state == ItemState::NeedsReview);
                open.extend(doubtful.map(|item| open_step(job, &progress, item)));
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(open),
            }
        }
    }
}

fn open_step(job: &Job, progress: &Progress, item: &Item) -> Open {
    Open {
        id: ReviewId::Step(job.id, item.step),
        connection: job.connection.clone(),
        since: progress.sent_at.get(&item.step).copied().unwrap_or(job.created_at),
        records: vec![item.record.clone()],
        why: item.reason.clone().unwrap_or_else(|| "outcome_unknown".to_owned()),
    }
}

fn no_such(id: ReviewId) -> EngineError {
    EngineError::NotFound { what: format!("open review {id}") }
}
