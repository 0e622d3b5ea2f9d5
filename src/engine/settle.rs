//! What became of a delete: decided by reading the CRM, record by record, never by the answer alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Connection, Engine, EngineError};
use crate::archive::OperationFilter;
use crate::crm::upstream::Answer;
use crate::crm::{Access, CrmError, Lane, Presence};
use crate::domain::delete::{Fate, Verdict};
use crate::domain::entry::{Operation, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, OperationId};
use crate::domain::record::RecordRef;

/// How often a record that the CRM claims to have deleted is looked for before its operation is called unknown.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(600)];

pub(super) fn kept(reason: &str) -> Fate {
    Fate::Kept { reason: reason.to_owned() }
}

/// The fate of one record. Pure. `late`: whether the CRM has had time enough to carry out what it once heard.
pub(super) fn fate(record: &RecordRef, presence: Presence, verdict: &Verdict, late: bool) -> Fate {
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
    pub(super) async fn settle_now(
        &self,
        connection: &Connection,
        access: &Access,
        operation: OperationId,
        entries: &[(EntryId, RecordRef)],
        answer: Option<&Answer>,
        verdict: &Verdict,
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
        self.settled(operation, fates, answer.map(|answer| answer.status.as_u16()), state).await;
        if state == OperationState::Unknown {
            self.unsettled.add(operation, Some(access.clone()));
        }
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
        let reach = self.reach(connection, access, Lane::Live);
        let presence = connection.connector.presence(reach, &records).await?;
        let fates = entries.iter().zip(presence);
        Ok(fates.map(|((entry, record), presence)| (*entry, fate(record, presence, verdict, late))).collect())
    }

    /// Records what became of an operation. If the archive cannot take it, the operation stays open and is settled by
    /// reading the CRM at the next start: nothing is lost but time.
    pub(super) async fn settled(
        &self,
        operation: OperationId,
        fates: Vec<(EntryId, Fate)>,
        answer: Option<u16>,
        state: OperationState,
    ) {
        let stream = Stream::operation(operation);
        let result = async {
            let version = self.store.read(&stream, 0).await?.last().map_or(0, |event| event.version);
            self.store.append(&stream, version, vec![Event::Settled { fates, answer, state }]).await
        };
        if let Err(error) = result.await {
            tracing::error!(%operation, %error, "the outcome of a delete could not be recorded");
        }
    }

    /// Settles one operation by reading the CRM. Returns its state afterwards.
    pub async fn settle(&self, id: OperationId) -> Result<OperationState, EngineError> {
        let Some(operation) = self.store.operation(id).await? else {
            return Err(EngineError::NotFound { what: format!("operation {id}") });
        };
        if !matches!(operation.state, OperationState::Open | OperationState::Unknown) {
            return Ok(operation.state);
        }
        let connection = self.connection(&operation.connection)?.clone();
        let mut entries = Vec::with_capacity(operation.entries.len());
        for id in &operation.entries {
            if let Some(entry) = self.store.entry(*id).await? {
                entries.push((*id, entry.record));
            }
        }
        // Without a token of its own, a connection is read with the caller's, as long as this process remembers it.
        let access = self.unsettled.access(id).filter(|_| !connection.has_own_token).unwrap_or(Access::Own);
        let late = self.is_late(&operation);
        let (fates, state) = match self.fates(&connection, &access, &entries, &was_said(&operation), late).await {
            Ok(fates) => {
                let state = OperationState::from_fates(fates.iter().map(|(_, fate)| fate), operation.answer.is_some());
                (fates, state)
            }
            // The CRM will never let us look: a person has to.
            Err(EngineError::Crm(CrmError::Permanent { .. })) if late => (Vec::new(), OperationState::NeedsReview),
            Err(error) => return Err(error),
        };
        if state != operation.state || state != OperationState::Unknown {
            self.settled(id, fates, operation.answer, state).await;
            tracing::info!(operation = %id, ?state, "settled by reading the CRM");
        }
        Ok(state)
    }

    fn is_late(&self, operation: &Operation) -> bool {
        let grace = jiff::SignedDuration::try_from(self.policy.settle_grace).unwrap_or(jiff::SignedDuration::ZERO);
        self.clock.now().duration_since(operation.at) >= grace
    }

    /// Settles what an earlier run left open, and whatever becomes unknown from now on, until `shutdown`. An operation
    /// is looked at again after 1 s, 2 s, … 30 s until the CRM is reachable and it is settled.
    pub async fn keep_settling(&self, shutdown: CancellationToken) {
        if let Err(error) = self.find_open().await {
            tracing::error!(%error, "operations left open could not be listed");
        }
        while !shutdown.is_cancelled() {
            for id in self.unsettled.due() {
                match self.settle(id).await {
                    Ok(OperationState::Open | OperationState::Unknown) => self.unsettled.later(id),
                    Ok(_) | Err(EngineError::NotFound { .. }) => self.unsettled.done(id),
                    Err(error) => {
                        tracing::warn!(operation = %id, %error, "not settled yet");
                        self.unsettled.later(id);
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.unsettled.changed.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
            }
        }
    }

    /// On start every intent without an outcome is unknown.
    async fn find_open(&self) -> Result<(), EngineError> {
        let states = vec![OperationState::Open, OperationState::Unknown];
        let mut filter = OperationFilter { states, limit: 200, ..OperationFilter::default() };
        loop {
            let page = self.store.operations(&filter).await?;
            page.rows.iter().for_each(|operation| self.unsettled.add(operation.id, None));
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok(()),
            }
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

/// Operations whose outcome is not known, and when to look again.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    waiting: Arc<Mutex<HashMap<OperationId, Waiting>>>,
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    tries: u32,
    access: Option<Access>,
}

impl Unsettled {
    pub(super) fn add(&self, id: OperationId, access: Option<Access>) {
        self.table().entry(id).or_insert(Waiting { due: Instant::now(), tries: 0, access });
        self.changed.notify_one();
    }

    fn table(&self) -> MutexGuard<'_, HashMap<OperationId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self, id: OperationId) -> Option<Access> {
        self.table().get(&id).and_then(|waiting| waiting.access.clone())
    }

    fn due(&self) -> Vec<OperationId> {
        let now = Instant::now();
        self.table().iter().filter(|(_, waiting)| waiting.due <= now).map(|(id, _)| *id).collect()
    }

    fn later(&self, id: OperationId) {
        if let Some(waiting) = self.table().get_mut(&id) {
            waiting.due = Instant::now() + Duration::from_secs(1 << waiting.tries.min(5)).min(Duration::from_secs(30));
            waiting.tries += 1;
        }
    }

    fn done(&self, id: OperationId) {
        self.table().remove(&id);
    }
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
