//! One job from its first step to its last, in batches of one wave and kind.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::line::Order;
use super::progress::Progress;
use crate::archive::ArchiveError;
use crate::crm::{Access, Lane, Reach};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, JobId};
use crate::domain::job::{Item, ItemState, JobState};
use crate::domain::plan::{Plan, Step, What};
use crate::domain::record::RecordRef;
use crate::engine::{Connection, Engine, EngineError};
use crate::proofs::point;

/// How often what became of a batch is offered to an archive that does not take it.
const TRIES: u32 = 5;

/// A job under way.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) connection: &'a Connection,
    pub(super) id: JobId,
    pub(super) plan: &'a Plan,
    pub(super) makers: Makers<'a>,
    pub(super) progress: Progress,
    pub(super) shutdown: &'a CancellationToken,
}

/// Which step of a plan makes what.
pub(super) struct Makers<'a> {
    by_entry: HashMap<EntryId, &'a Step>,
    by_record: HashMap<&'a RecordRef, &'a Step>,
}

impl<'a> Makers<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let roots = plan.steps.iter().filter(|step| step.root);
        // Not the skips: an older copy of a record is skipped beside the newest one, which is made.
        let brings_back = |step: &&Step| match step.what {
            What::Recreate | What::Undelete => true,
            What::Skip => false,
            What::Relink | What::Set | What::Delete => step.root,
        };
        let makers = plan.steps.iter().filter(brings_back);
        Self {
            by_entry: roots.map(|step| (step.entry, step)).collect(),
            by_record: makers.map(|step| (&step.record, step)).collect(),
        }
    }

    /// The step that makes the record of an entry; none for the entry of a link that waited.
    pub(super) fn of_entry(&self, entry: EntryId) -> Option<&'a Step> {
        self.by_entry.get(&entry).copied()
    }

    /// The step that brings a record back.
    pub(super) fn of_record(&self, record: &RecordRef) -> Option<&'a Step> {
        self.by_record.get(record).copied()
    }
}

/// Why a job does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A person paused it, or the CRM will take nothing until a person has acted (with the reason).
    Paused(Option<String>),
    Cancelled,
    Shutdown,
}

/// What became of an attempt.
pub(super) enum Tried {
    /// Every step of the batch has an item.
    Through,
    /// Nothing was written, and it may work later.
    Later(Option<Duration>),
    /// Nothing was written, and nothing will be until a person has acted.
    Refused(String),
}

impl<'a> Run<'a> {
    pub(super) async fn go(mut self) -> Result<(), EngineError> {
        if self.progress.state == JobState::Queued {
            self.append(vec![Event::JobMoved { to: JobState::Running, reason: None }]).await?;
        }
        point("job.started");
        self.skip_what_the_plan_skips().await?;
        let mut stop = self.settle_doubtful().await?;
        if stop.is_none() {
            stop = self.batches().await?;
        }
        match stop {
            None => self.finish(None).await,
            Some(Stop::Cancelled) => self.finish(Some(JobState::Cancelled)).await,
            Some(Stop::Paused(reason)) => self.moves(JobState::Paused, reason).await,
            Some(Stop::Shutdown) => self.moves(JobState::Queued, Some("shutdown".to_owned())).await,
        }
    }

    pub(super) async fn moves(&mut self, to: JobState, reason: Option<String>) -> Result<(), EngineError> {
        tracing::info!(job = %self.id, ?to, reason, "job");
        self.append(vec![Event::JobMoved { to, reason }]).await
    }

    async fn skip_what_the_plan_skips(&mut self) -> Result<(), EngineError> {
        let skipped = self.plan.steps.iter().filter(|step| step.what == What::Skip);
        let open = skipped.filter(|step| !self.progress.items.contains_key(&step.number));
        let items: Vec<Item> = open.map(|step| item(step, ItemState::Skipped, step.reason.as_deref())).collect();
        if items.is_empty() { Ok(()) } else { self.append(vec![Event::Applied { items }]).await }
    }

    async fn batches(&mut self) -> Result<Option<Stop>, EngineError> {
        let mut failures = 0;
        loop {
            if let Some(stop) = self.stop() {
                return Ok(Some(stop));
            }
            let batch = self.next_batch();
            if batch.is_empty() {
                return Ok(None);
            }
            match self.batch(&batch).await? {
                Tried::Through => failures = 0,
                Tried::Later(wait) => {
                    self.wait(wait, failures).await;
                    failures += 1;
                }
                Tried::Refused(reason) => return Ok(Some(Stop::Paused(Some(reason)))),
            }
        }
    }

    /// The first open steps of one wave and kind.
    fn next_batch(&self) -> Vec<&'a Step> {
        let most = self.connection.connector.capabilities().write_batch.max(1);
        let plan = self.plan;
        let is_open = |step: &&'a Step| step.what != What::Skip && !self.progress.items.contains_key(&step.number);
        let mut open = plan.steps.iter().filter(is_open);
        let Some(first) = open.next() else { return Vec::new() };
        let like_first = |step: &&'a Step| {
            (step.wave, step.what, &step.record.object) == (first.wave, first.what, &first.record.object)
        };
        std::iter::once(first).chain(open.filter(like_first)).take(most).collect()
    }

    pub(super) fn stop(&self) -> Option<Stop> {
        match self.engine.jobs.asked(self.id) {
            Some(Order::Cancel) => Some(Stop::Cancelled),
            Some(Order::Pause) => Some(Stop::Paused(None)),
            None => self.shutdown.is_cancelled().then_some(Stop::Shutdown),
        }
    }

    /// Waits before another attempt: as long as the CRM asked for, else longer each time, up to a minute.
    pub(super) async fn wait(&self, asked: Option<Duration>, failures: u32) {
        let own = Duration::from_secs(1 << failures.min(6)).min(Duration::from_mins(1));
        let wait = asked.unwrap_or(own).min(Duration::from_mins(15));
        tracing::warn!(job = %self.id, seconds = wait.as_secs(), "the CRM takes nothing now; waiting");
        self.engine.jobs.pause(wait, self.id, self.shutdown).await;
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        self.engine.reach(self.connection, &Access::Own, Lane::Background)
    }

    /// Appends to the job's history. A disk that fails for a moment must not cost what is known about a write.
    pub(super) async fn append(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        let stream = Stream::job(self.id);
        let mut tries = 0;
        let recorded = loop {
            match self.engine.store.append(&stream, self.progress.version, events.clone()).await {
                Ok(recorded) => break recorded,
                Err(error @ ArchiveError::Conflict { .. }) => return Err(error.into()),
                Err(error) => {
                    tries += 1;
                    if tries == TRIES || self.shutdown.is_cancelled() {
                        return Err(error.into());
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        };
        for recorded in &recorded {
            self.progress.apply(recorded);
        }
        self.engine.jobs.tell(self.id);
        Ok(())
    }

    /// The idmap of everything these steps name, as it is now: what this job made so far is in it.
    pub(super) async fn successors(&self, steps: &[&Step]) -> Result<HashMap<RecordRef, RecordRef>, EngineError> {
        let mut found = HashMap::new();
        let mut names = BTreeSet::new();
        for step in steps {
            names.extend(step.needs.iter().chain(&step.after).chain([&step.record]).cloned());
            names.extend(self.makers.of_entry(step.entry).map(|root| root.record.clone()));
        }
        for old in names {
            if let Some(new) = self.engine.store.successor(&self.connection.name, &old).await? {
                found.insert(old, new);
            }
        }
        Ok(found)
    }
}

/// What became of a step, without a new name.
pub(super) fn item(step: &Step, state: ItemState, reason: Option<&str>) -> Item {
    Item {
        step: step.number,
        record: step.record.clone(),
        entry: step.entry,
        root: step.root,
        state,
        restored_as: None,
        reason: reason.map(str::to_owned),
        losses: Vec::new(),
    }
}
