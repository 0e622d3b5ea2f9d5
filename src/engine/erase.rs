//! Erasing: what would go is shown first, with a digest; exactly that is destroyed, and the act says so.

use serde_json::json;

use super::{Engine, EngineError};
use crate::archive::{Act, ArchiveError, Erasable};
use crate::domain::entry::EntryState;
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, ErasureId};
use crate::domain::record::RecordRef;

/// What is meant: all that is kept of one record.
#[derive(Clone, Debug)]
pub enum Meant {
    /// The record of this entry.
    Entry(EntryId),
    /// This record of this connection.
    Record(String, RecordRef),
}

/// What would go, and what an agreement to it is bound to.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What would go.
    pub what: Erasable,
    /// BLAKE3 of it, hexadecimal.
    pub digest: String,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The event of the erasure.
    pub recorded: Recorded,
    /// Everything the ledger says of the entries' operations, oldest first; no values.
    pub log: Vec<Recorded>,
}

impl Engine {
    /// What would be erased. Changes nothing.
    pub async fn erasable(&self, meant: &Meant) -> Result<Proposal, EngineError> {
        let (connection, record) = match meant {
            Meant::Record(connection, record) => (connection.clone(), record.clone()),
            Meant::Entry(id) => {
                let entry = self.store.entry(*id).await?;
                let entry = entry.ok_or_else(|| EngineError::NotFound { what: format!("entry {id}") })?;
                (entry.connection, entry.record)
            }
        };
        let what = self.store.erasable(&connection, &record).await?;
        if what.entries.is_empty() {
            return Err(EngineError::NotFound { what: format!("entry of {record} of {connection} left to erase") });
        }
        let value = json!([what.connection, what.record, what.entries, what.snapshots, what.plans, what.jobs]);
        let digest = blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
        Ok(Proposal { what, digest })
    }

    /// Erases exactly what was shown under this digest. Final: nothing brings it back.
    pub async fn erase(&self, meant: &Meant, digest: &str, reason: &str, by: &str) -> Result<Deed, EngineError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > 500 || reason.chars().any(char::is_control) {
            return Err(EngineError::Invalid {
                code: "bad_value",
                detail: "reason: has to be 1 to 500 characters on one line".into(),
            });
        }
        let Proposal { what, digest: now } = self.erasable(meant).await?;
        if now != digest {
            return Err(EngineError::Stale {
                code: "plan_changed",
                detail: "what would be erased is not what was shown; look at it again".into(),
            });
        }
        // Until it is done no hold is placed.
        let _meanwhile = self.no_hold_meanwhile().await;
        self.may_be_erased(&what).await?;
        let log = self.log_of(&what).await?;
        let (reason, by) = (reason.to_owned(), by.to_owned());
        let act = Act { erasure: ErasureId(self.names.fresh()), reason, by };
        match self.store.erase(&what, act).await {
            Ok(recorded) => Ok(Deed { recorded, log }),
            Err(ArchiveError::Invalid(detail)) => Err(EngineError::Stale { code: "plan_changed", detail }),
            Err(error) => Err(error.into()),
        }
    }

    /// Not while something is under way with it, and not while a legal hold stands.
    async fn may_be_erased(&self, what: &Erasable) -> Result<(), EngineError> {
        let busy = |detail: String| EngineError::Stale { code: "wrong_state", detail };
        for id in &what.entries {
            let state = self.store.entry(*id).await?.map(|entry| entry.state);
            if matches!(state, Some(EntryState::Unknown | EntryState::Restoring)) {
                return Err(busy(format!(
                    "entry {id} is not settled yet, or is being restored; wait until that is over"
                )));
            }
        }
        for id in &what.jobs {
            if let Some(job) = self.store.job(*id).await?.filter(|job| !job.state.is_final()) {
                return Err(busy(format!(
                    "job {} holds values of this record and is not over; cancel it first",
                    job.id
                )));
            }
        }
        // A legal hold beats an erasure.
        if let Some(hold) = self.held(&what.connection, &what.record).await? {
            return Err(busy(format!("hold {} keeps {} from being erased; release it first", hold.id, what.record)));
        }
        Ok(())
    }

    async fn log_of(&self, what: &Erasable) -> Result<Vec<Recorded>, EngineError> {
        let mut log = Vec::new();
        let mut operations = std::collections::BTreeSet::new();
        for id in &what.entries {
            if let Some(entry) = self.store.entry(*id).await?
                && operations.insert(entry.operation)
            {
                log.extend(self.store.read(&Stream::operation(entry.operation), 0).await?);
            }
        }
        log.sort_by_key(|recorded| recorded.seq);
        Ok(log)
    }

    /// Every erasure, oldest first.
    pub async fn erasures(&self) -> Result<Vec<Recorded>, EngineError> {
        let mut all = Vec::new();
        for (stream, _) in self.store.streams("erasure/").await? {
            all.extend(self.store.read(&stream, 0).await?);
        }
        all.retain(|recorded| matches!(recorded.event, Event::Erased(_)));
        all.sort_by_key(|recorded| recorded.seq);
        Ok(all)
    }
}
