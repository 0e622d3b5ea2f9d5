//! The end of a job: links that wait for their other end, operations that are undone, the report, the last state.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use crate::archive::ArchiveError;
use crate::domain::entry::{EntryState, OperationEvent};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId};
use crate::domain::job::{Item, ItemState, JobState};
use crate::domain::lifecycle::Lifecycle as _;
use crate::domain::record::RecordRef;
use crate::engine::{Engine, EngineError};
use crate::proofs::point;

/// Who asks for links whose both ends came back in plans of their own.
const OURSELVES: &str = "crm-undo";

impl Run<'_> {
    /// Ends the job: in `state`, or as its items say. It may be repeated after a crash.
    pub(super) async fn finish(&mut self, state: Option<JobState>) -> Result<(), EngineError> {
        let let_go = self.progress.let_go(self.plan);
        if !let_go.is_empty() {
            self.append(vec![Event::Applied { items: let_go }]).await?;
        }
        point("finish.before_look");
        let (report, complete) = self.read_back().await?;
        // The process stops, and not everything could be read back yet: that is for the next start.
        if state.is_none() && !complete && self.shutdown.is_cancelled() {
            return self.moves(JobState::Queued, Some("shutdown".to_owned())).await;
        }
        let links = self.let_links_wait().await?;
        self.engine.mark_undone(self.id, &self.progress.items).await?;
        let to = state.unwrap_or_else(|| self.progress.ending());
        let reason = (!complete).then(|| "not_read_back".to_owned());
        tracing::info!(
            job = %self.id, state = ?to, done = self.progress.count(ItemState::Done),
            failed = self.progress.count(ItemState::Failed), compared = report.compared,
            differences = report.differences.len(), "job ended",
        );
        point("finish.before_end");
        self.append(vec![Event::Reported { report }, Event::JobMoved { to, reason }]).await?;
        point("finish.ended");
        self.make_links(links).await;
        Ok(())
    }

    /// Writes down which links wait for their other end. Returns those whose other end is back already: both ends were
    /// in the bin when they were planned, each in a plan of its own.
    async fn let_links_wait(&self) -> Result<BTreeSet<(EntryId, RecordRef)>, EngineError> {
        let made: BTreeMap<&RecordRef, EntryId> = self
            .progress
            .items
            .values()
            .filter(|item| item.root && item.state == ItemState::Done)
            .map(|item| (&item.record, item.entry))
            .collect();
        let mut back = BTreeSet::new();
        for loss in &self.plan.losses {
            if loss.reason != "link_end_in_bin" {
                continue;
            }
            let end = loss.field.strip_prefix("links.").and_then(|end| end.parse::<RecordRef>().ok());
            let (Some(end), Some(entry)) = (end, made.get(&loss.record)) else { continue };
            let waits = Event::LinkWaits { end: end.clone(), entry: *entry, job: self.id };
            self.engine
                .append_to(&Stream::waiting(&self.connection.name, &end), |known| {
                    (!known.contains(&waits)).then(|| waits.clone())
                })
                .await?;
            if self.is_back(&end).await? {
                back.insert((*entry, end));
            }
        }
        Ok(back)
    }

    async fn is_back(&self, end: &RecordRef) -> Result<bool, EngineError> {
        let newest = self.engine.store.successor(&self.connection.name, end).await?;
        let in_bin = self.engine.store.in_bin(&self.connection.name, newest.as_ref().unwrap_or(end)).await?;
        Ok(in_bin.is_none())
    }

    /// Makes links whose both ends are back, as a plan and a job of their own: nothing is written that was not planned.
    async fn make_links(&self, links: BTreeSet<(EntryId, RecordRef)>) {
        let result = async {
            match self.engine.plan_links(self.connection, links, OURSELVES).await? {
                Some(plan) => self.engine.queue(&plan, OURSELVES).await.map(drop),
                None => Ok(()),
            }
        };
        if let Err(error) = result.await {
            // They still wait: they are made when one of their ends is restored again.
            tracing::warn!(job = %self.id, %error, "links between restored records could not be planned");
        }
    }
}

impl Engine {
    /// Marks the operations whose every record is back, among those that these items of a job are about.
    pub(in crate::engine) async fn mark_undone(
        &self,
        job: JobId,
        items: &BTreeMap<u32, Item>,
    ) -> Result<(), EngineError> {
        let alive: BTreeSet<EntryId> = items
            .values()
            .filter(|item| item.root && item.state == ItemState::Skipped && item.reason.as_deref() == Some("alive"))
            .map(|item| item.entry)
            .collect();
        let mut operations: BTreeSet<OperationId> = BTreeSet::new();
        for item in items.values() {
            if item.root
                && let Some(entry) = self.store.entry(item.entry).await?
            {
                operations.insert(entry.operation);
            }
        }
        for id in operations {
            let Some(operation) = self.store.operation(id).await? else { continue };
            if operation.state.next(&OperationEvent::Undone).is_err() {
                continue;
            }
            let mut all = true;
            for entry in &operation.entries {
                let state = self.store.entry(*entry).await?.map(|entry| entry.state);
                all &= alive.contains(entry) || matches!(state, Some(EntryState::Restored | EntryState::Kept));
            }
            if all {
                let undone = Event::Undone { job };
                self.append_to(&Stream::operation(id), |known| {
                    let is_known = known.iter().any(|event| matches!(event, Event::Undone { .. }));
                    (!is_known).then(|| undone.clone())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Appends to a stream that others write to as well.
    async fn append_to(
        &self,
        stream: &Stream,
        event: impl Fn(&[Event]) -> Option<Event> + Send + Sync,
    ) -> Result<(), EngineError> {
        for _ in 0..5 {
            let recorded = self.store.read(stream, 0).await?;
            let version = recorded.last().map_or(0, |last| last.version);
            let known: Vec<Event> = recorded.into_iter().map(|recorded| recorded.event).collect();
            let Some(event) = event(&known) else { return Ok(()) };
            match self.store.append(stream, version, vec![event]).await {
                Err(ArchiveError::Conflict { .. }) => {}
                result => return Ok(result.map(drop)?),
            }
        }
        Err(EngineError::Stale { code: "conflict", detail: format!("{} is written to all the time", stream.0) })
    }
}
