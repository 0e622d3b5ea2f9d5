//! What people may do with a plan and a job.

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::line::Order;
use super::progress::Progress;
use crate::archive::ArchiveError;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{JobId, PlanId};
use crate::domain::job::{Job, JobState};
use crate::domain::lifecycle::Lifecycle as _;
use crate::domain::plan::Plan;
use crate::engine::{Engine, EngineError};
use crate::proofs::point;

/// What may be asked of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Stop after the batch under way, until it is resumed.
    Pause,
    /// Go on where it was.
    Resume,
    /// Stop for good after the batch under way. What came back stays.
    Cancel,
    /// Try again what failed. What may have been made is looked for, never made again blindly.
    Retry,
}

impl Engine {
    /// Applies exactly the plan whose digest the caller has seen. A plan is applied once: a repeat gets the same job.
    pub async fn apply(&self, id: PlanId, digest: &str, by: &str) -> Result<Job, EngineError> {
        let plan = self.plan(id).await?;
        let changed = |detail: &str| EngineError::Stale { code: "plan_changed", detail: detail.to_owned() };
        if digest != plan.digest {
            return Err(changed("this is not the digest of this plan; look at the plan again"));
        }
        if let Some(job) = self.store.job(job_of(&plan)).await? {
            return Ok(job);
        }
        if self.digest_now(&plan).await? != plan.digest {
            return Err(changed("what this plan was made from has changed since; make a new plan"));
        }
        self.queue(&plan, by).await
    }

    /// Queues the job of a plan that was made or checked just now.
    pub async fn queue(&self, plan: &Plan, by: &str) -> Result<Job, EngineError> {
        let _what_it_brings_back_stays = self.nothing_dropped_meanwhile().await;
        let job = job_of(plan);
        let queued = Event::JobQueued {
            job,
            plan: plan.id,
            kind: plan.kind,
            connection: plan.connection.clone(),
            total: plan.steps.len() as u64,
            by: by.to_owned(),
        };
        match self.store.append(&Stream::job(job), 0, vec![queued]).await {
            Ok(_) => {
                self.jobs.add(&plan.connection, job);
                point("job.queued");
            }
            // Somebody else applied it at the same moment: this is his job.
            Err(ArchiveError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.job(job).await
    }

    /// One job, with the time it will still take.
    pub async fn job(&self, id: JobId) -> Result<Job, EngineError> {
        let job = self.store.job(id).await?;
        let mut job = job.ok_or_else(|| EngineError::NotFound { what: format!("job {id}") })?;
        if job.eta_seconds.is_none() && !job.state.is_final() {
            let whole = match self.jobs.eta(id) {
                Some(whole) => whole,
                // A plan may be large: it is read for this once, not for everybody who watches.
                None => self.jobs.estimated(id, self.plan(job.plan).await?.eta_seconds),
            };
            let ended = job.done + job.failed + job.skipped + job.needs_review;
            let left = job.total.saturating_sub(ended);
            job.eta_seconds = Some(whole.saturating_mul(left).div_ceil(job.total.max(1)));
        }
        Ok(job)
    }

    /// Asks something of a job. One that runs heeds it after the batch under way; asking for what is so already is no
    /// error.
    pub async fn steer(&self, id: JobId, verb: Verb) -> Result<Job, EngineError> {
        for _ in 0..5 {
            let job = self.job(id).await?;
            if job.state == JobState::Running && self.steer_running(id, verb) {
                return Ok(job);
            }
            let Some(to) = target(job.state, verb)? else { return Ok(job) };
            let progress = Progress::read(self.store.as_ref(), id).await?;
            if progress.state.next(&to).is_err() {
                // It has moved since it was looked at.
                continue;
            }
            let mut events = vec![Event::JobMoved { to, reason: (verb == Verb::Retry).then(|| "retry".to_owned()) }];
            if to == JobState::Cancelled {
                events.insert(0, Event::Applied { items: progress.let_go(&self.plan(job.plan).await?) });
            }
            match self.store.append(&Stream::job(id), progress.version, events).await {
                Ok(_) if to == JobState::Queued => self.jobs.add(&job.connection, id),
                Ok(_) => self.jobs.tell(id),
                Err(ArchiveError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            return self.job(id).await;
        }
        Err(EngineError::Stale { code: "conflict", detail: format!("job {id} changes all the time; repeat it") })
    }

    fn steer_running(&self, id: JobId, verb: Verb) -> bool {
        match verb {
            Verb::Pause => self.jobs.order(id, Some(Order::Pause)),
            Verb::Cancel => self.jobs.order(id, Some(Order::Cancel)),
            // Takes back a pause that was not heeded yet.
            Verb::Resume => self.jobs.order(id, None),
            Verb::Retry => false,
        }
    }

    /// Names of jobs as they change. Whoever falls behind reads the job itself.
    pub fn job_news(&self) -> broadcast::Receiver<JobId> {
        self.jobs.news()
    }

    /// Cancelled when no job of this process moves any more.
    pub fn jobs_stopped(&self) -> &CancellationToken {
        self.jobs.stopping()
    }
}

/// A plan is applied once, so its job bears its number. The ledger refuses a second one.
fn job_of(plan: &Plan) -> JobId {
    JobId(plan.id.0)
}

/// The state that a verb leads to; `None` where it is so already.
fn target(state: JobState, verb: Verb) -> Result<Option<JobState>, EngineError> {
    use JobState::{Cancelled, Failed, NeedsReview, Partial, Paused, Queued, Running};
    match (verb, state) {
        (Verb::Pause, Paused) | (Verb::Resume, Queued | Running) | (Verb::Cancel, Cancelled) => Ok(None),
        (Verb::Pause, Queued | Running) => Ok(Some(Paused)),
        (Verb::Cancel, Queued | Running | Paused) => Ok(Some(Cancelled)),
        (Verb::Resume, Paused) | (Verb::Retry, Partial | Failed | NeedsReview) => Ok(Some(Queued)),
        _ => {
            let words = serde_json::to_value(state).ok();
            let word = words.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
            let verb = format!("{verb:?}").to_lowercase();
            Err(EngineError::Stale { code: "wrong_state", detail: format!("a job that is {word} cannot {verb}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_or_is_in_doubt_is_retried() {
        for state in [JobState::Partial, JobState::Failed, JobState::NeedsReview] {
            assert_eq!(target(state, Verb::Retry).expect("allowed"), Some(JobState::Queued));
        }
        for state in [JobState::Done, JobState::Cancelled, JobState::Queued, JobState::Running, JobState::Paused] {
            assert!(target(state, Verb::Retry).is_err(), "{state:?}");
        }
    }

    #[test]
    fn what_is_so_already_is_no_error_and_what_is_over_stays_over() {
        assert_eq!(target(JobState::Paused, Verb::Pause).expect("so already"), None);
        assert_eq!(target(JobState::Queued, Verb::Resume).expect("so already"), None);
        assert!(target(JobState::Done, Verb::Cancel).is_err());
        assert!(target(JobState::Cancelled, Verb::Resume).is_err());
    }
}
