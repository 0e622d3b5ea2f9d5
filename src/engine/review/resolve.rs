//! A person's finding, and what follows from it. Both are one durable write, so that neither stands without the other.

use super::{Evidence, no_such};
use crate::archive::ArchiveError;
use crate::crm::{Access, Lane, Presence};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{JobId, OperationId};
use crate::domain::job::{Item, ItemState, JobState};
use crate::domain::plan::Step;
use crate::domain::record::RecordRef;
use crate::domain::review::{ReviewId, Verdict, needs_a_name};
use crate::engine::jobs::Progress;
use crate::engine::settle::kept;
use crate::engine::{Engine, EngineError};

/// Longest reason, in characters.
const REASON: usize = 1_000;

/// What a person has found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Of the whole review.
    pub verdict: Verdict,
    /// Records of a delete of which the opposite is true.
    pub except: Vec<RecordRef>,
    /// What a step has made.
    pub restored_as: Option<RecordRef>,
    /// Why, in the person's own words.
    pub reason: String,
    /// Digest of the evidence that was shown.
    pub digest: String,
}

impl Engine {
    /// Settles a review as a person has found it. The evidence is read once more: if it is not what the person was
    /// shown, nothing is decided (`review_changed`).
    pub async fn resolve(&self, id: ReviewId, finding: &Finding, by: &str) -> Result<(), EngineError> {
        makes_sense(id, finding)?;
        // Before the evidence: whoever writes meanwhile is noticed.
        let version = self.review_version(id).await?;
        let evidence = self.evidence(id).await?;
        if evidence.digest != finding.digest {
            return Err(changed("what the CRM shows, or what is known of it, has changed since it was shown"));
        }
        let done = match id {
            ReviewId::Operation(operation) => self.resolve_delete(operation, version, &evidence, finding, by).await,
            ReviewId::Step(job, step) => self.resolve_step((job, step), version, finding, by).await,
        };
        match done {
            Err(EngineError::Archive(ArchiveError::Conflict { .. })) => Err(changed("somebody else was faster")),
            done => done,
        }
    }

    async fn review_version(&self, id: ReviewId) -> Result<u64, EngineError> {
        let stream = match id {
            ReviewId::Operation(id) => Stream::operation(id),
            ReviewId::Step(id, _) => Stream::job(id),
        };
        Ok(self.store.read(&stream, 0).await?.last().map_or(0, |event| event.version))
    }

    async fn resolve_delete(
        &self,
        id: OperationId,
        version: u64,
        evidence: &Evidence,
        finding: &Finding,
        by: &str,
    ) -> Result<(), EngineError> {
        if let Some(stranger) = finding.except.iter().find(|one| !evidence.open.records.contains(one)) {
            return Err(bad(format!("except: {stranger} is not among the records whose fate is open")));
        }
        let operation = self.store.operation(id).await?.ok_or_else(|| no_such(ReviewId::Operation(id)))?;
        let unknown = self.unknown_of(&operation).await?;
        let gone = |record: &RecordRef| (finding.verdict == Verdict::Deleted) != finding.except.contains(record);
        let fate = |record: &RecordRef| if gone(record) { Fate::Deleted } else { kept("reviewed") };
        let fates: Vec<_> = unknown.iter().map(|entry| (entry.id, fate(&entry.record))).collect();
        let mut all: Vec<Fate> = fates.iter().map(|(_, fate)| fate.clone()).collect();
        for entry in &operation.entries {
            match self.store.entry(*entry).await?.map(|entry| entry.state) {
                Some(EntryState::Kept) => all.push(kept("")),
                Some(EntryState::Unknown) | None => {}
                Some(_) => all.push(Fate::Deleted),
            }
        }
        let state = match (all.is_empty(), finding.verdict) {
            (true, Verdict::Deleted) => OperationState::Confirmed,
            (true, _) => OperationState::NotSent,
            (false, _) => OperationState::from_fates(&all, operation.answer.is_some()),
        };
        let events =
            vec![reviewed(None, Vec::new(), finding, by), Event::Settled { fates, answer: operation.answer, state }];
        self.store.append(&Stream::operation(id), version, events).await?;
        self.unsettled.done(id);
        tracing::info!(operation = %id, ?state, "settled by a person");
        Ok(())
    }

    async fn resolve_step(
        &self,
        (id, number): (JobId, u32),
        version: u64,
        finding: &Finding,
        by: &str,
    ) -> Result<(), EngineError> {
        let missing = || no_such(ReviewId::Step(id, number));
        let job = self.store.job(id).await?.ok_or_else(missing)?;
        let mut progress = Progress::read(self.store.as_ref(), id).await?;
        let item = progress.items.get(&number).cloned().ok_or_else(missing)?;
        let plan = self.plan(job.plan).await?;
        let step = plan.steps.iter().find(|step| step.number == number).ok_or_else(missing)?;
        let (item, freed) = if finding.verdict == Verdict::Restored {
            let name = self.name_of(&job.connection, step, &progress, finding).await?;
            (Item { state: ItemState::Done, restored_as: Some(name), reason: None, ..item }, Vec::new())
        } else {
            let entry = self.store.entry(step.entry).await?;
            let waits = step.root && entry.is_some_and(|entry| entry.state == EntryState::NeedsReview);
            let freed = if waits { vec![step.entry] } else { Vec::new() };
            let reason = Some("not_created".to_owned());
            (Item { state: ItemState::Failed, restored_as: None, reason, ..item }, freed)
        };
        progress.items.insert(number, item.clone());
        let mut events = vec![reviewed(Some(number), freed, finding, by), Event::Applied { items: vec![item] }];
        let to = progress.ending();
        if job.state == JobState::NeedsReview && to != JobState::NeedsReview {
            events.push(Event::JobMoved { to, reason: Some("reviewed".to_owned()) });
        }
        self.store.append(&Stream::job(id), version, events).await?;
        self.mark_undone(id, &progress.items).await?;
        self.jobs.tell(id);
        tracing::info!(job = %id, step = number, verdict = ?finding.verdict, "a step was settled by a person");
        Ok(())
    }

    /// The record that a step has made, if the CRM shows it and no other step of the job has made it.
    async fn name_of(
        &self,
        connection: &str,
        step: &Step,
        progress: &Progress,
        finding: &Finding,
    ) -> Result<RecordRef, EngineError> {
        let name = match &finding.restored_as {
            Some(name) => name.clone(),
            None if needs_a_name(step.what) => {
                return Err(bad("restored_as: name the record that was made".to_owned()));
            }
            None => step.record.clone(),
        };
        if name.object != step.record.object {
            return Err(bad(format!("restored_as: {name} is another kind of record than {}", step.record)));
        }
        let taken = |item: &&Item| item.step != step.number && item.restored_as.as_ref() == Some(&name);
        if progress.items.values().any(|item| taken(&item)) {
            return Err(bad(format!("restored_as: {name} was made by another step of this job")));
        }
        let connection = self.connection(connection)?;
        let there = self.presence_as(connection, &Access::Own, Lane::Live, std::slice::from_ref(&name)).await?;
        if !there.contains(&Presence::Alive) {
            return Err(bad(format!("restored_as: the CRM does not show {name}")));
        }
        Ok(name)
    }
}

fn makes_sense(id: ReviewId, finding: &Finding) -> Result<(), EngineError> {
    if !id.choices().contains(&finding.verdict) {
        let of = match id {
            ReviewId::Operation(_) => "a delete is resolved as deleted or kept",
            ReviewId::Step(..) => "a step of a job is resolved as restored or not_created",
        };
        return Err(bad(format!("as: {of}")));
    }
    let length = finding.reason.trim().chars().count();
    if length == 0 || length > REASON {
        return Err(bad(format!("reason: say why, in at most {REASON} characters")));
    }
    if finding.restored_as.is_some() && finding.verdict != Verdict::Restored {
        return Err(bad("restored_as: only what was restored has a new name".to_owned()));
    }
    if !finding.except.is_empty() && matches!(id, ReviewId::Step(..)) {
        return Err(bad("except: a step is about one record".to_owned()));
    }
    Ok(())
}

fn reviewed(step: Option<u32>, freed: Vec<crate::domain::ids::EntryId>, finding: &Finding, by: &str) -> Event {
    Event::Reviewed {
        step,
        verdict: finding.verdict,
        freed,
        evidence: finding.digest.clone(),
        reason: finding.reason.trim().to_owned(),
        by: by.to_owned(),
    }
}

fn bad(detail: String) -> EngineError {
    EngineError::Invalid { code: "bad_value", detail }
}

fn changed(detail: &str) -> EngineError {
    EngineError::Stale { code: "review_changed", detail: detail.to_owned() }
}
