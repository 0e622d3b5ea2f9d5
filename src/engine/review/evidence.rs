//! What was meant, what the CRM answered, what it shows now.

use jiff::Timestamp;
use serde::Serialize;

use super::{Open, no_such, open_step};
use crate::crm::{Access, CrmError, Lane, Presence};
use crate::domain::entry::{Entry, EntryState, Operation, OperationState};
use crate::domain::event::Stream;
use crate::domain::ids::{EntryId, JobId, OperationId};
use crate::domain::job::ItemState;
use crate::domain::plan::{Step, What};
use crate::domain::record::RecordRef;
use crate::domain::restore::Difference;
use crate::domain::review::ReviewId;
use crate::engine::jobs::Progress;
use crate::engine::{Connection, Engine, EngineError};

/// Records of one delete that are compared field by field; of more, only whether they are there is shown.
const COMPARED: usize = 20;

/// The evidence of one review.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What it is about.
    pub open: Open,
    /// What was asked for, and by whom.
    pub meant: Meant,
    /// HTTP status of the CRM's answer, where there was one.
    pub answer: Option<u16>,
    /// The records as they are archived, beside what the CRM shows.
    pub records: Vec<Seen>,
    /// Changes with everything above; a finding names the evidence it was made from.
    pub digest: String,
}

/// What was asked for, and by whom.
#[derive(Clone, Debug)]
pub struct Meant {
    /// Name of the route of a delete; `recreate`, `undelete`, … of a step.
    pub what: String,
    /// Who.
    pub by: String,
}

/// An archived record beside what the CRM shows.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its entry.
    pub entry: EntryId,
    /// Its old name.
    pub record: RecordRef,
    /// What a person calls it; empty for what hangs on a record.
    pub title: String,
    /// What the CRM shows now.
    pub now: Now,
    /// Of a step: records made since that may be what it made, also where nobody but a person can tell.
    pub candidates: Vec<RecordRef>,
}

/// What the CRM shows now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Now {
    /// The CRM does not tell.
    Unseen(String),
    /// Nothing there; for a step: nothing that it could have made.
    Gone,
    /// There, or probably the copy.
    There(RecordRef, Vec<Difference>),
}

impl Engine {
    /// The evidence of one review, read from the CRM now.
    pub async fn evidence(&self, id: ReviewId) -> Result<Evidence, EngineError> {
        match id {
            ReviewId::Operation(operation) => self.evidence_of_delete(operation).await,
            ReviewId::Step(job, step) => self.evidence_of_step(job, step).await,
        }
    }

    pub(super) async fn open_delete(&self, operation: &Operation) -> Result<Open, EngineError> {
        let unknown = self.unknown_of(operation).await?;
        Ok(Open {
            id: ReviewId::Operation(operation.id),
            connection: operation.connection.clone(),
            since: operation.at,
            records: unknown.into_iter().map(|entry| entry.record).collect(),
            why: "outcome_unknown".to_owned(),
        })
    }

    /// The entries of a delete whose fate is not known.
    pub(super) async fn unknown_of(&self, operation: &Operation) -> Result<Vec<Entry>, EngineError> {
        let mut unknown = Vec::new();
        for id in &operation.entries {
            unknown.extend(self.store.entry(*id).await?.filter(|entry| entry.state == EntryState::Unknown));
        }
        Ok(unknown)
    }

    async fn evidence_of_delete(&self, id: OperationId) -> Result<Evidence, EngineError> {
        let operation = self.store.operation(id).await?;
        let operation = operation.filter(|operation| operation.state == OperationState::NeedsReview);
        let operation = operation.ok_or_else(|| no_such(ReviewId::Operation(id)))?;
        let version = self.store.read(&Stream::operation(id), 0).await?.last().map_or(0, |event| event.version);
        let connection = self.connection(&operation.connection)?;
        let entries = self.unknown_of(&operation).await?;
        let names: Vec<RecordRef> = entries.iter().map(|entry| entry.record.clone()).collect();
        let presence = if names.is_empty() {
            Ok(Vec::new())
        } else {
            self.presence_as(connection, &Access::Own, Lane::Live, &names).await
        };
        let mut records = Vec::with_capacity(entries.len());
        for (at, entry) in entries.into_iter().enumerate() {
            let now = match presence.as_ref().map(|all| all.get(at)) {
                Ok(Some(Presence::Gone)) => Now::Gone,
                Ok(Some(Presence::Alive)) if at < COMPARED => self.beside(&entry).await,
                Ok(Some(Presence::Alive)) => Now::There(entry.record.clone(), Vec::new()),
                Ok(None) => Now::Unseen("the CRM did not mention it".to_owned()),
                Err(error) => Now::Unseen(error.to_string()),
            };
            let candidates = Vec::new();
            records.push(Seen { entry: entry.id, record: entry.record, title: entry.title, now, candidates });
        }
        let open = self.open_delete(&operation).await?;
        let meant = Meant { what: operation.route, by: operation.by };
        Ok(whole(open, meant, operation.answer, records, version))
    }

    async fn beside(&self, entry: &Entry) -> Now {
        match self.compare_now(entry).await {
            Ok(found) if found.alive => Now::There(found.record, found.differences),
            Ok(_) => Now::Gone,
            Err(error) => Now::Unseen(error.to_string()),
        }
    }

    async fn evidence_of_step(&self, id: JobId, number: u32) -> Result<Evidence, EngineError> {
        let missing = || no_such(ReviewId::Step(id, number));
        let job = self.store.job(id).await?.filter(|job| job.state.is_final()).ok_or_else(missing)?;
        let progress = Progress::read(self.store.as_ref(), id).await?;
        let item = progress.items.get(&number).filter(|item| item.state == ItemState::NeedsReview);
        let item = item.ok_or_else(missing)?;
        let plan = self.plan(job.plan).await?;
        let step = plan.steps.iter().find(|step| step.number == number).ok_or_else(missing)?;
        let open = open_step(&job, &progress, item);
        let entry = self.store.entry(step.entry).await?.ok_or_else(missing)?;
        let connection = self.connection(&job.connection)?;
        let now = self.made_by(connection, step, &entry, open.since).await?;
        let candidates = self.candidates_for(connection, step, &entry, open.since).await;
        let title = if step.root { entry.title } else { String::new() };
        let records = vec![Seen { entry: entry.id, record: step.record.clone(), title, now, candidates }];
        let meant = Meant { what: word(step.what), by: job.by };
        Ok(whole(open, meant, None, records, progress.version))
    }

    /// Records that may be what a step has made; none where the CRM cannot be asked.
    async fn candidates_for(
        &self,
        connection: &Connection,
        step: &Step,
        entry: &Entry,
        since: Timestamp,
    ) -> Vec<RecordRef> {
        if step.what != What::Recreate {
            return Vec::new();
        }
        let looked = async {
            let was = self.snapshot(&entry.snapshot).await?;
            let successors = self.successors_around(&was).await?;
            let reach = self.reach(connection, &Access::Own, Lane::Live);
            let successor = |old: &RecordRef| successors.get(old).cloned();
            Ok::<_, EngineError>(connection.connector.candidates(reach, step, since, &successor).await?)
        };
        looked.await.unwrap_or_default()
    }

    /// What a step may have made.
    async fn made_by(
        &self,
        connection: &Connection,
        step: &Step,
        entry: &Entry,
        since: Timestamp,
    ) -> Result<Now, EngineError> {
        let reach = self.reach(connection, &Access::Own, Lane::Live);
        let was = self.snapshot(&entry.snapshot).await?;
        let successors = self.successors_around(&was).await?;
        let successor = |old: &RecordRef| successors.get(old).cloned();
        let found = if step.what == What::Recreate {
            connection.connector.find_made(reach, &[step], since, &successor).await
        } else {
            let name = std::slice::from_ref(&step.record);
            let presence = self.presence_as(connection, &Access::Own, Lane::Live, name).await;
            presence.map(|all| vec![all.contains(&Presence::Alive).then(|| step.record.clone())])
        };
        let candidate = match found.map(|mut found| found.pop().flatten()) {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return Ok(Now::Gone),
            Err(error) => return Ok(Now::Unseen(error.to_string())),
        };
        if !step.root {
            return Ok(Now::There(candidate, Vec::new()));
        }
        let fetched = connection.connector.fetch(reach, std::slice::from_ref(&candidate)).await;
        Ok(match fetched.map(|mut fetched| fetched.pop()) {
            Ok(Some(crate::crm::Fetched::Whole(is))) => {
                let of = |old: &RecordRef| if *old == was.of { Some(candidate.clone()) } else { successor(old) };
                let differences = connection.connector.compare(&was, &is, &of, &[]);
                Now::There(candidate, differences)
            }
            Ok(_) | Err(CrmError::Permanent { .. }) => Now::There(candidate, Vec::new()),
            Err(error) => Now::Unseen(error.to_string()),
        })
    }
}

fn whole(open: Open, meant: Meant, answer: Option<u16>, records: Vec<Seen>, version: u64) -> Evidence {
    let seen: Vec<_> = records.iter().map(|seen| (seen.record.to_string(), &seen.now, &seen.candidates)).collect();
    let text = serde_json::to_vec(&(open.id.to_string(), version, answer, seen));
    let text = text.expect("records, words and numbers always serialize");
    Evidence { open, meant, answer, records, digest: blake3::hash(&text).to_hex().to_string() }
}

fn word(what: What) -> String {
    match serde_json::to_value(what) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{what:?}"),
    }
}
