//! What every record a plan names is called now, and whether it is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::crm::{Access, CrmError, Lane, Presence};
use crate::domain::entry::EntryState;
use crate::domain::plan::planner::{Candidate, Facts, Standing, WaitingLink};
use crate::domain::record::RecordRef;
use crate::engine::{Connection, Engine, EngineError};

impl Engine {
    /// Reads the idmap, the bin and the CRM for everything the candidates, their parents and their steps name.
    pub(super) async fn facts(
        &self,
        connection: &Connection,
        candidates: &[Candidate],
        waiting: &[WaitingLink],
    ) -> Result<Facts, EngineError> {
        let names = names(candidates, waiting);
        let mut renamed = BTreeMap::new();
        for name in &names {
            if let Some(newest) = self.store.successor(&connection.name, name).await? {
                renamed.insert(name.clone(), newest);
            }
        }
        let newest: BTreeSet<&RecordRef> = names.iter().map(|name| renamed.get(name).unwrap_or(name)).collect();
        let newest: Vec<RecordRef> = newest.into_iter().cloned().collect();
        // Most of what is asked about is what is to be restored, and that lies in the bin as we know.
        let lies_in_bin = |candidate: &&Candidate| {
            use EntryState::{Deleted, NeedsReview, Restoring, Unknown};
            matches!(candidate.state, Deleted | NeedsReview | Restoring | Unknown)
        };
        let known = candidates.iter().filter(lies_in_bin).map(|candidate| &candidate.record);
        let known: BTreeSet<&RecordRef> = known.map(|record| renamed.get(record).unwrap_or(record)).collect();
        let mut standing = BTreeMap::new();
        for (record, presence) in newest.iter().zip(self.presence(connection, Lane::Live, &newest).await?) {
            let how = match presence {
                Presence::Alive => Standing::Alive,
                Presence::Gone if known.contains(record) => Standing::InBin,
                Presence::Gone if self.store.in_bin(&connection.name, record).await?.is_some() => Standing::InBin,
                Presence::Gone => Standing::Gone,
            };
            standing.insert(record.clone(), how);
        }
        let mut followed = BTreeSet::new();
        for candidate in candidates {
            if let Some(newest) = renamed.get(&candidate.record)
                && self.store.in_bin(&connection.name, newest).await?.is_some_and(|entry| entry.id != candidate.entry)
            {
                followed.insert(candidate.entry);
            }
        }
        Ok(Facts { standing, renamed, followed })
    }

    /// Whether records are there, page by page; one answer for each, or an error.
    pub(in crate::engine) async fn presence(
        &self,
        connection: &Connection,
        lane: Lane,
        records: &[RecordRef],
    ) -> Result<Vec<Presence>, CrmError> {
        self.presence_as(connection, &Access::Own, lane, records).await
    }

    /// The same, with whose rights.
    pub(in crate::engine) async fn presence_as(
        &self,
        connection: &Connection,
        access: &Access,
        lane: Lane,
        records: &[RecordRef],
    ) -> Result<Vec<Presence>, CrmError> {
        let mut found = Vec::with_capacity(records.len());
        for page in records.chunks(connection.connector.capabilities().read_page.max(1)) {
            let reach = self.reach(connection, access, lane);
            let answers = connection.connector.presence(reach, page).await?;
            // An answer short of one would shift all others: a record that is there would count as gone, and be made
            // a second time.
            if answers.len() != page.len() {
                let detail = format!("asked about {} records, it answered about {}", page.len(), answers.len());
                return Err(CrmError::Permanent { status: None, detail });
            }
            found.extend(answers);
        }
        Ok(found)
    }
}

fn names(candidates: &[Candidate], waiting: &[WaitingLink]) -> BTreeSet<RecordRef> {
    let mut names = BTreeSet::new();
    for candidate in candidates {
        names.insert(candidate.record.clone());
        if let Ok(draft) = &candidate.draft {
            names.extend(draft.parents.iter().cloned());
            names.extend(draft.steps.iter().flat_map(|step| step.needs.iter().cloned()));
        }
    }
    for link in waiting {
        names.insert(link.record.clone());
        names.extend(link.step.needs.iter().cloned());
    }
    names
}
