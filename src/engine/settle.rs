//! What became of a delete: decided by reading the CRM, record by record, never by the answer alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::unsettled::OnItsWay;
use super::{Connection, Engine, EngineError};
use crate::archive::{ArchiveError, OperationFilter};
use crate::crm::upstream::Answer;
use crate::crm::{Access, CrmError, Lane, Presence};
use crate::domain::delete::{Fate, Verdict};
use crate::domain::entry::{EntryState, Operation, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, OperationId};
use crate::domain::record::RecordRef;
use crate::proofs::{bite, point};

/// How often a record that the CRM claims to have deleted is looked for before its operation is called unknown.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(600)];

pub(super) fn kept(reason: &str) -> Fate {
    Fate::Kept { reason: reason.to_owned() }
}

/// The fate of one record. Pure. `late`: whether the CRM has had time enough to carry out what it once heard.
pub(super) fn fate(record: &RecordRef, presence: Presence, verdict: &Verdict, late: bool) -> Fate {
    let late = late || bite("timeout_means_failed");
    match (presence, verdict) {
        (Presence::Gone, _) => Fate::Deleted,
        (Presence::Alive, Verdict::Denied(reason)) => kept(reason),
        (Presence::Alive, Verdict::Mixed(reasons)) if reasons.iter().any(|(denied, _)| denied == record) => {
            kept(reasons.iter().find(|(denied, _)| denied == record).map_or("", |(_, reason)| reason))
        }
        (Presence::Alive, Verdict::Claimed | Verdict::Mixed(_)) if late => {
            kept("the CRM said it was deleted, and it is still there")
        }
        (Presence::Alive, Verdict::Unclear(_)) if late => kept("it is still there"),
        (Presence::Alive, _) => Fate::Unknown,
    }
}

impl Engine {
    /// Reads the CRM back right after a delete and records what became of it. Leaves the rest to the settler.
    #[allow(clippy::too_many_arguments)] // one caller, and each is another thing
    pub(super) async fn settle_now(
        &self,
        connection: &Connection,
        access: &Access,
        entries: &[(EntryId, RecordRef)],
        answer: Option<&Answer>,
        verdict: &Verdict,
        way: &mut OnItsWay,
        told: Option<Event>,
    ) -> OperationState {
        let mut fates: Vec<(EntryId, Fate)> = entries.iter().map(|(entry, _)| (*entry, Fate::Unknown)).collect();
        for wait in LOOKS {
            tokio::time::sleep(wait).await;
            let Ok(read) = self.fates(connection, access, entries, verdict, false).await else { break };
            fates = read;
            if !fates.iter().any(|(_, fate)| *fate == Fate::Unknown) || matches!(verdict, Verdict::Unclear(_)) {
                break;
            }
        }
        let state = OperationState::from_fates(fates.iter().map(|(_, fate)| fate), answer.is_some());
        self.settled(way, fates, answer.map(|answer| answer.status.as_u16()), state, told).await;
        state
    }

    async fn fates(
        &self,
        connection: &Connection,
        access: &Access,
        entries: &[(EntryId, RecordRef)],
        verdict: &Verdict,
        late: bool,
    ) -> Result<Vec<(EntryId, Fate)>, EngineError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let records: Vec<RecordRef> = entries.iter().map(|(_, record)| record.clone()).collect();
        point("settle.before_look");
        let presence = self.presence_as(connection, access, Lane::Live, &records).await?;
        point("settle.looked");
        let fates = entries.iter().zip(presence);
        Ok(fates.map(|((entry, record), presence)| (*entry, fate(record, presence, verdict, late))).collect())
    }

    /// Records what became of a delete that this process has sent. If the archive cannot take it, the operation stays
    /// open and is settled by reading the CRM: nothing is lost but time.
    pub(super) async fn settled(
        &self,
        way: &mut OnItsWay,
        fates: Vec<(EntryId, Fate)>,
        answer: Option<u16>,
        state: OperationState,
        told: Option<Event>,
    ) {
        let operation = way.id;
        let result = async {
            let version = self.version_of(operation).await?;
            let events = [Some(Event::Settled { fates, answer, state }), told].into_iter().flatten().collect();
            self.store.append(&Stream::operation(operation), version, events).await.map(drop)
        };
        match result.await {
            Ok(()) => way.is_settled = state != OperationState::Unknown,
            Err(error) => tracing::error!(%operation, %error, "the outcome of a delete could not be recorded"),
        }
    }

    async fn version_of(&self, operation: OperationId) -> Result<u64, ArchiveError> {
        Ok(self.store.read(&Stream::operation(operation), 0).await?.last().map_or(0, |event| event.version))
    }

    async fn record(
        &self,
        operation: OperationId,
        version: u64,
        fates: Vec<(EntryId, Fate)>,
        answer: Option<u16>,
        state: OperationState,
    ) -> Result<(), ArchiveError> {
        let settled = Event::Settled { fates, answer, state };
        point("settle.before_record");
        let recorded = self.store.append(&Stream::operation(operation), version, vec![settled]).await.map(drop);
        point("settle.recorded");
        recorded
    }

    /// Settles one operation by reading the CRM. Returns its state afterwards. One whose delete is still on its way is
    /// left to whoever sends it: what is there now says nothing yet.
    pub async fn settle(&self, id: OperationId) -> Result<OperationState, EngineError> {
        // Before anything is looked at: a look that somebody else has overtaken is not written down.
        let version = self.version_of(id).await?;
        let Some(operation) = self.store.operation(id).await? else {
            return Err(EngineError::NotFound { what: format!("operation {id}") });
        };
        if !may_change(operation.state) || self.unsettled.is_on_its_way(id) {
            return Ok(operation.state);
        }
        let connection = self.connection(&operation.connection)?.clone();
        // Of some the fate is known already, and they may have come back since: only the others are looked at.
        let (mut entries, mut known) = (Vec::with_capacity(operation.entries.len()), Vec::new());
        for id in &operation.entries {
            let Some(entry) = self.store.entry(*id).await? else { continue };
            match entry.state {
                EntryState::Unknown => entries.push((*id, entry.record)),
                EntryState::Kept => known.push(kept("")),
                _ => known.push(Fate::Deleted),
            }
        }
        // A person has to look, and there is no record to look at.
        if operation.state == OperationState::NeedsReview && entries.is_empty() {
            return Ok(operation.state);
        }
        // Without a token of its own, a connection is read with the caller's, as long as this process remembers it.
        let access = self.unsettled.access(id).filter(|_| !connection.has_own_token).unwrap_or(Access::Own);
        let late = self.is_late(id);
        let (fates, state) = match self.fates(&connection, &access, &entries, &was_said(&operation), late).await {
            Ok(fates) => {
                let all = fates.iter().map(|(_, fate)| fate).chain(&known);
                let state = OperationState::from_fates(all, operation.answer.is_some());
                (fates, state)
            }
            // The CRM does not let us look: a person has to. It is looked again when somebody wants a record back.
            Err(EngineError::Crm(CrmError::Permanent { .. })) if late => (Vec::new(), OperationState::NeedsReview),
            Err(error) => return Err(error),
        };
        // What was seen to be gone is written down although others are still open: a person may bring it back meanwhile, and
        // then a later look would take it for never deleted.
        if state == operation.state && fates.iter().all(|(_, fate)| *fate == Fate::Unknown) {
            return Ok(state);
        }
        match self.record(id, version, fates, operation.answer, state).await {
            Ok(()) => {
                tracing::info!(operation = %id, ?state, "settled by reading the CRM");
                Ok(state)
            }
            Err(ArchiveError::Conflict { .. }) => Ok(self.store.operation(id).await?.map_or(state, |now| now.state)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the CRM has had time enough, by this process's own clock, which never jumps: since it knows of the
    /// operation. The time in the ledger is no help: a wall clock that was set ahead would call a delete overdue that
    /// the CRM is still about to carry out.
    fn is_late(&self, operation: OperationId) -> bool {
        let known = self.unsettled.known_for(operation);
        if known.is_none() {
            self.unsettled.add(operation, None);
        }
        known.unwrap_or_default() >= self.policy.settle_grace
    }

    /// Settles what an earlier run left open, and whatever becomes unknown from now on, until `shutdown`. An operation
    /// is looked at again after 1 s, 2 s, … 30 s until the CRM is reachable and it is settled.
    pub async fn keep_settling(&self, shutdown: CancellationToken) {
        while let Err(error) = self.find_open().await {
            tracing::error!(%error, "operations left open could not be listed; it is tried again");
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        if let Err(error) = self.look_for_recent_changes().await {
            tracing::warn!(%error, "the latest deletes could not be listed");
        }
        let mut under_way: HashMap<String, JoinHandle<()>> = HashMap::new();
        while !shutdown.is_cancelled() {
            // Tasks of their own: a bug met at one record must not leave all others unknown for ever, and a CRM that hangs
            // keeps nobody else waiting.
            let engine = self.clone();
            let due = tokio::spawn(async move { engine.due_by_connection().await }).await.unwrap_or_else(|error| {
                tracing::error!(%error, "what is to be settled could not be listed; it goes on");
                BTreeMap::new()
            });
            for (connection, ids) in due {
                if under_way.get(&connection).is_none_or(JoinHandle::is_finished) {
                    let engine = self.clone();
                    let task = tokio::spawn(async move { engine.settle_in_turn(ids).await });
                    if let Some(before) = under_way.insert(connection, task)
                        && let Err(error) = before.await
                    {
                        tracing::error!(%error, "settling failed in an unexpected way; it goes on");
                    }
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = self.unsettled.changed.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
            }
        }
        // What is not settled by now is settled at the next start.
        for task in under_way.into_values() {
            task.abort();
        }
    }

    async fn due_by_connection(&self) -> BTreeMap<String, Vec<OperationId>> {
        let mut by_connection: BTreeMap<String, Vec<OperationId>> = BTreeMap::new();
        for id in self.unsettled.due() {
            match self.store.operation(id).await {
                Ok(Some(operation)) => by_connection.entry(operation.connection).or_default().push(id),
                Ok(None) => self.unsettled.done(id),
                Err(error) => {
                    tracing::warn!(operation = %id, %error, "not settled yet");
                    self.unsettled.later(id);
                }
            }
        }
        by_connection
    }

    async fn settle_in_turn(&self, ids: Vec<OperationId>) {
        for id in ids {
            self.unsettled.later(id);
            point("start.before_settle");
            match self.settle(id).await {
                Ok(OperationState::Open | OperationState::Unknown) => {}
                Ok(_) | Err(EngineError::NotFound { .. }) => self.unsettled.done(id),
                Err(error) => tracing::warn!(operation = %id, %error, "not settled yet"),
            }
        }
    }

    /// On start every intent without an outcome is unknown. What a person had to look at is looked at once more: the
    /// token may have been mended since.
    async fn find_open(&self) -> Result<(), EngineError> {
        let states = vec![OperationState::Open, OperationState::Unknown, OperationState::NeedsReview];
        let mut filter = OperationFilter { states, limit: 200, ..OperationFilter::default() };
        loop {
            let page = self.store.operations(&filter).await?;
            page.rows.iter().for_each(|operation| self.unsettled.add(operation.id, None));
            let Some(next) = page.next else {
                point("start.open_found");
                return Ok(());
            };
            filter.cursor = Some(next);
        }
    }

    /// Waits until every started delete has ended, at most this long. Whether all have.
    pub async fn drain_deletes(&self, limit: Duration) -> bool {
        self.inflight.drain(limit).await
    }
}

/// What the CRM had answered, as far as the ledger remembers: enough to word a reason.
fn was_said(operation: &Operation) -> Verdict {
    match operation.answer {
        Some(status) if (200..300).contains(&status) => Verdict::Claimed,
        Some(status) => Verdict::Unclear(format!("the CRM answered {status}")),
        None => Verdict::Unclear("the CRM's answer was lost".into()),
    }
}

fn may_change(state: OperationState) -> bool {
    matches!(state, OperationState::Open | OperationState::Unknown | OperationState::NeedsReview)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fate_comes_from_the_record_not_from_the_answer() {
        let record = RecordRef::new("contacts", 1);
        let denied = Verdict::Denied("no rights".into());
        let unclear = Verdict::Unclear("cut".into());
        // Gone is gone, whatever the answer said ("not enough rights" is also amoCRM's word for "already deleted").
        for verdict in [&Verdict::Claimed, &denied, &unclear] {
            assert_eq!(fate(&record, Presence::Gone, verdict, false), Fate::Deleted);
        }
        assert_eq!(fate(&record, Presence::Alive, &denied, false), kept("no rights"));
        // A timeout is not a failure: what was heard may still be carried out.
        assert_eq!(fate(&record, Presence::Alive, &unclear, false), Fate::Unknown);
        assert_eq!(fate(&record, Presence::Alive, &unclear, true), kept("it is still there"));
        assert_eq!(fate(&record, Presence::Alive, &Verdict::Claimed, false), Fate::Unknown);
    }
}
