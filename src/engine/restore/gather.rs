//! Which entries are planned for, and what would be written for each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Asked, Wanted};
use crate::archive::ArchiveError;
use crate::crm::Undelete;
use crate::domain::entry::{Entry, EntryState};
use crate::domain::ids::{EntryId, OperationId};
use crate::domain::plan::planner::Candidate;
use crate::domain::record::RecordRef;
use crate::engine::{Connection, Engine, EngineError};

/// Entries of one plan. Larger restores are made in several plans, so that one stays a value people can look at.
const MOST: usize = 10_000;

impl Engine {
    /// The entries that are meant, each with whether it was named, and the operation they belong to.
    pub(super) async fn wanted(
        &self,
        of: Wanted,
    ) -> Result<(BTreeMap<EntryId, bool>, Option<OperationId>), EngineError> {
        let (ids, operation): (BTreeMap<_, _>, _) = match of {
            Wanted::Entries(ids) => (ids.into_iter().map(|id| (id, true)).collect(), None),
            Wanted::Operation(id) => {
                let operation = self.store.operation(id).await?;
                let operation = operation.ok_or_else(|| EngineError::NotFound { what: format!("operation {id}") })?;
                (operation.entries.into_iter().map(|id| (id, false)).collect(), Some(id))
            }
            Wanted::Job(id) => {
                let job = self.store.job(id).await?;
                let job = job.ok_or_else(|| EngineError::NotFound { what: format!("job {id}") })?;
                let plan = self.plan(job.plan).await?;
                let roots = plan.steps.iter().filter(|step| step.root);
                (roots.map(|step| (step.entry, false)).collect(), None)
            }
        };
        match ids.len() {
            1..=MOST => Ok((ids, operation)),
            0 => Err(bad("entries: name at least one entry")),
            many => Err(bad(&format!("entries: {many} are too many for one plan, at most {MOST} can be planned"))),
        }
    }

    /// Loads entries. Those whose fate is not known yet are settled first, if the CRM can be asked.
    pub(super) async fn load(&self, ids: &BTreeMap<EntryId, bool>) -> Result<Vec<Asked>, EngineError> {
        let mut asked = Vec::with_capacity(ids.len());
        let mut settled = BTreeSet::new();
        for (id, named) in ids {
            let missing = || EngineError::NotFound { what: format!("entry {id}") };
            let mut entry = self.store.entry(*id).await?.ok_or_else(missing)?;
            if entry.state == EntryState::Unknown {
                if settled.insert(entry.operation)
                    && let Err(error) = self.settle(entry.operation).await
                {
                    tracing::debug!(operation = %entry.operation, %error, "not settled before a plan");
                }
                entry = self.store.entry(*id).await?.ok_or_else(missing)?;
            }
            asked.push((entry, *named));
        }
        Ok(asked)
    }

    /// The one connection all of them belong to.
    pub(super) fn one_connection(&self, asked: &[Asked]) -> Result<&Connection, EngineError> {
        let names: BTreeSet<&str> = asked.iter().map(|(entry, _)| entry.connection.as_str()).collect();
        let (Some(name), 1) = (names.first(), names.len()) else {
            let list = names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(EngineError::Invalid {
                code: "several_connections",
                detail: format!("these entries belong to several connections ({list}); make one plan for each"),
            });
        };
        let connection = self.connection(name)?;
        if !connection.has_own_token {
            return Err(EngineError::Invalid {
                code: "no_own_token",
                detail: format!("connection {name} has no token of its own, and nothing can be restored without one"),
            });
        }
        Ok(connection)
    }

    /// What would be written for each entry and, if wanted, for the parents that lie in the bin, and theirs.
    pub(super) async fn candidates(
        &self,
        connection: &Connection,
        asked: Vec<Asked>,
        include_parents: bool,
        surroundings: &Value,
    ) -> Result<Vec<Candidate>, EngineError> {
        let mut known: BTreeSet<EntryId> = asked.iter().map(|(entry, _)| entry.id).collect();
        let mut candidates = Vec::with_capacity(asked.len());
        for (entry, named) in asked {
            candidates.push(self.candidate(connection, &entry, named, surroundings).await?);
        }
        let mut looked = 0;
        let mut parents = BTreeSet::new();
        // Grows while it is walked: parents have parents.
        while include_parents && looked < candidates.len() {
            for parent in parents_of(&candidates[looked]) {
                if !parents.insert(parent.clone()) {
                    continue;
                }
                let Some(found) = self.parent_in_bin(connection, &parent).await? else { continue };
                if known.insert(found.id) {
                    for (entry, named) in self.load(&BTreeMap::from([(found.id, false)])).await? {
                        candidates.push(self.candidate(connection, &entry, named, surroundings).await?);
                    }
                }
            }
            looked += 1;
        }
        Ok(candidates)
    }

    async fn parent_in_bin(&self, connection: &Connection, parent: &RecordRef) -> Result<Option<Entry>, EngineError> {
        let newest = self.store.successor(&connection.name, parent).await?;
        Ok(self.store.in_bin(&connection.name, newest.as_ref().unwrap_or(parent)).await?)
    }

    async fn candidate(
        &self,
        connection: &Connection,
        entry: &Entry,
        named: bool,
        surroundings: &Value,
    ) -> Result<Candidate, EngineError> {
        let draft = match self.store.get(&entry.snapshot).await {
            Ok(snapshot) => Ok(connection.connector.draft(&snapshot, surroundings)),
            Err(ArchiveError::NotFound(_)) => Err("forgotten".to_owned()),
            Err(ArchiveError::Damaged { .. }) => Err("snapshot_damaged".to_owned()),
            Err(error) => return Err(error.into()),
        };
        Ok(Candidate {
            entry: entry.id,
            snapshot: entry.snapshot,
            record: entry.record.clone(),
            state: entry.state,
            named,
            undelete: connection.connector.capabilities().undelete == Undelete::Api,
            draft,
        })
    }
}

fn parents_of(candidate: &Candidate) -> Vec<RecordRef> {
    candidate.draft.as_ref().map(|draft| draft.parents.clone()).unwrap_or_default()
}

fn bad(detail: &str) -> EngineError {
    EngineError::Invalid { code: "bad_value", detail: detail.to_owned() }
}
