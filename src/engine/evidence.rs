//! After a delete: what the CRM's own log says was changed between the last look and the delete. Such a change is gone
//! with the record; the entry says so.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Connection, Engine, EngineError};
use crate::archive::{ArchiveError, OperationFilter};
use crate::crm::{Access, Lane};
use crate::domain::entry::{Entry, EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::OperationId;

/// The log may be a little behind.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the log is asked before it is left alone.
const TRIES: u32 = 3;
/// At the start, deletes that are older than this have been looked at.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How much earlier than its intent the last look at a record may lie.
const GAP: SignedDuration = SignedDuration::from_secs(2);

impl Engine {
    /// Looks into the CRM's log, a little later, in the background.
    pub(super) fn look_for_changes(
        &self,
        connection: &Connection,
        access: Access,
        operation: OperationId,
        since: Timestamp,
    ) {
        let (engine, connection) = (self.clone(), connection.clone());
        tokio::spawn(async move {
            for _ in 0..TRIES {
                tokio::time::sleep(PATIENCE).await;
                match engine.note_changes(&connection, &access, operation, since).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%operation, %error, "the CRM's log could not be read"),
                }
            }
        });
    }

    /// The same for what an earlier process deleted just before it ended.
    pub(super) async fn look_for_recent_changes(&self) -> Result<(), EngineError> {
        let states = vec![OperationState::Confirmed, OperationState::Partial];
        let filter = OperationFilter { states, limit: 200, ..OperationFilter::default() };
        for operation in self.store.operations(&filter).await?.rows {
            let is_recent = self.clock.now().duration_since(operation.at).abs() < RECENT;
            if let (true, Ok(connection)) = (is_recent, self.connection(&operation.connection)) {
                let since = operation.at.saturating_sub(GAP).unwrap_or(operation.at);
                self.look_for_changes(connection, Access::Own, operation.id, since);
            }
        }
        Ok(())
    }

    async fn note_changes(
        &self,
        connection: &Connection,
        access: &Access,
        operation: OperationId,
        since: Timestamp,
    ) -> Result<(), EngineError> {
        let Some(of) = self.store.operation(operation).await? else { return Ok(()) };
        let mut entries = Vec::new();
        for id in of.entries {
            entries.extend(self.store.entry(id).await?.filter(|entry| entry.state != EntryState::Kept));
        }
        let records: Vec<_> = entries.iter().map(|entry| entry.record.clone()).collect();
        let mut changed = Vec::new();
        let page = connection.connector.capabilities().read_page.max(1);
        for (entries, records) in entries.chunks(page).zip(records.chunks(page)) {
            let reach = self.reach(connection, access, Lane::Background);
            let found = connection.connector.changed_since(reach, records, since).await?;
            changed.extend(entries.iter().zip(found).filter(|(_, found)| *found).map(|(entry, _)| entry.id));
        }
        if changed.is_empty() {
            return Ok(());
        }
        let stream = Stream::operation(operation);
        loop {
            let known = self.store.read(&stream, 0).await?;
            if known.iter().any(|recorded| matches!(recorded.event, Event::ChangedAfterSnapshot { .. })) {
                return Ok(());
            }
            let version = known.last().map_or(0, |last| last.version);
            let event = Event::ChangedAfterSnapshot { entries: changed.clone() };
            match self.store.append(&stream, version, vec![event]).await {
                Err(ArchiveError::Conflict { .. }) => {}
                result => {
                    tracing::warn!(%operation, records = changed.len(), "changed between their snapshot and their delete");
                    metrics::counter!("crm_undo_changed_after_snapshot_total").increment(changed.len() as u64);
                    return Ok(result.map(drop)?);
                }
            }
        }
    }

    /// Whether the CRM's log shows that the record was changed after its snapshot had been seen to be true.
    pub async fn is_changed_after_snapshot(&self, entry: &Entry) -> Result<bool, EngineError> {
        let events = self.store.read(&Stream::operation(entry.operation), 0).await?;
        Ok(events.iter().any(|recorded| match &recorded.event {
            Event::ChangedAfterSnapshot { entries } => entries.contains(&entry.id),
            _ => false,
        }))
    }
}
