//! Links that an earlier restore had to leave out, because their other end lay in the bin.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tempo;
use crate::archive::ArchiveError;
use crate::domain::entry::EntryState;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, PlanId};
use crate::domain::plan::planner::{self, Candidate, WaitingLink};
use crate::domain::plan::{Plan, What};
use crate::domain::record::RecordRef;
use crate::engine::{Connection, Engine, EngineError};

impl Engine {
    /// The links that wait for one of these records.
    pub(super) async fn waiting_for(
        &self,
        connection: &Connection,
        candidates: &[Candidate],
        surroundings: &Value,
    ) -> Result<Vec<WaitingLink>, EngineError> {
        let mut wanted = BTreeSet::new();
        for candidate in candidates {
            let newest = self.store.successor(&connection.name, &candidate.record).await?;
            for name in std::iter::once(&candidate.record).chain(newest.as_ref()) {
                for recorded in self.store.read(&Stream::waiting(&connection.name, name), 0).await? {
                    if let Event::LinkWaits { end, entry, .. } = recorded.event {
                        wanted.insert((entry, end));
                    }
                }
            }
        }
        self.links(connection, wanted, surroundings).await
    }

    /// A plan that makes nothing but these links: both their ends were in the bin when they were planned, each in a
    /// plan of its own, and both are back. `None` if there is nothing left to make.
    pub(in crate::engine) async fn plan_links(
        &self,
        connection: &Connection,
        wanted: BTreeSet<(EntryId, RecordRef)>,
        by: &str,
    ) -> Result<Option<Plan>, EngineError> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let surroundings = self.surroundings_lately(connection).await?;
        let waiting = self.links(connection, wanted, &surroundings).await?;
        let facts = self.facts(connection, &[], &waiting).await?;
        let sketch = planner::restore(Vec::new(), waiting, &facts, tempo(connection));
        if sketch.steps.is_empty() {
            return Ok(None);
        }
        let plan = sketch.into_plan(PlanId(self.names.fresh()), &connection.name, None, self.clock.now());
        self.keep_plan(plan, by).await.map(Some)
    }

    /// Finds each link again in the snapshot of the restored entry that remembers it.
    async fn links(
        &self,
        connection: &Connection,
        wanted: BTreeSet<(EntryId, RecordRef)>,
        surroundings: &Value,
    ) -> Result<Vec<WaitingLink>, EngineError> {
        let mut links = Vec::new();
        for (entry, end) in wanted {
            let Some(entry) = self.store.entry(entry).await? else { continue };
            // In the bin again: then its own entry remembers the link.
            if entry.state != EntryState::Restored {
                continue;
            }
            let snapshot = match self.store.get(&entry.snapshot).await {
                Ok(snapshot) => snapshot,
                // Erased, forgotten or damaged since: nothing is known of the link any more.
                Err(ArchiveError::NotFound(_) | ArchiveError::Damaged { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let draft = connection.connector.draft(&snapshot, surroundings);
            let steps = draft.steps.into_iter().filter(|step| step.what == What::Relink && step.needs.contains(&end));
            links.extend(steps.map(|step| WaitingLink { entry: entry.id, record: entry.record.clone(), step }));
        }
        Ok(links)
    }
}
