//! Looking without touching: what the faces show of the archive, and of the CRM as it is now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Connection, Engine, EngineError};
use crate::archive::audit::{Anchors, AuditReport};
use crate::archive::{ArchiveError, CheckReport};
use crate::crm::{Access, CrmError, Fetched, Lane};
use crate::domain::entry::Entry;
use crate::domain::ids::SnapshotId;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Difference, Draft};

/// An account's users, fields and pipelines change rarely, and a plan reads them afresh anyway.
const GOOD_FOR: Duration = Duration::from_mins(1);
/// Somebody waits for a page; without the CRM the page is still worth having.
const PATIENCE: Duration = Duration::from_secs(5);
/// So that a page full of entries does not wait that long for each of them.
const BAD_FOR: Duration = Duration::from_secs(10);

/// What drafts are made against, by connection, read a short while ago.
#[derive(Debug, Default)]
pub(crate) struct Surroundings(std::sync::Mutex<HashMap<String, Slot>>);

type Slot = Arc<Mutex<Option<Known>>>;

#[derive(Clone, Debug)]
struct Known {
    since: Instant,
    at: Timestamp,
    what: Result<Arc<Value>, String>,
}

/// What of a snapshot would come back, as far as that can be said now.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// What would be written, and what is known to be lost.
    pub draft: Draft,
    /// When the account was looked at for it; `Err` with the reason if it could not be: then the draft is empty.
    pub seen: Result<Timestamp, String>,
}

/// An archived record beside the one that stands in the CRM now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The record that was looked for: the restored one, else the old one.
    pub record: RecordRef,
    /// Whether it is there.
    pub alive: bool,
    /// Field by field; empty if it is not there.
    pub differences: Vec<Difference>,
}

impl Engine {
    /// Whether destructive requests may be let through, and why not.
    pub fn ready(&self) -> Result<(), ArchiveError> {
        self.store.ready()
    }

    /// Reads the whole archive. Takes as long as the disk does.
    pub async fn check(&self) -> Result<CheckReport, EngineError> {
        Ok(self.store.check().await?)
    }

    /// Reads the whole archive and compares it with heads of the audit chain that were sent out.
    pub async fn verify_audit(&self, anchors: Anchors) -> Result<AuditReport, EngineError> {
        Ok(self.store.verify(anchors).await?)
    }

    /// What was archived.
    pub async fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, EngineError> {
        Ok(self.store.get(id).await?)
    }

    /// What of `snapshot` would come back. Never fails because the CRM cannot be reached: it says so instead.
    pub async fn prospect(&self, snapshot: &Snapshot) -> Prospect {
        let unseen = |why: String| Prospect { draft: Draft::default(), seen: Err(why) };
        let Ok(connection) = self.connection(&snapshot.connection) else {
            return unseen(format!("connection {} is not configured any more", snapshot.connection));
        };
        let known = self.surroundings(connection).await;
        match known.what {
            Ok(surroundings) => {
                Prospect { draft: connection.connector.draft(snapshot, &surroundings), seen: Ok(known.at) }
            }
            Err(why) => unseen(why),
        }
    }

    /// When and with which result this connection's CRM was last looked at for somebody who wanted to see; `None` if
    /// nobody has.
    pub async fn last_look(&self, connection: &str) -> Option<(Timestamp, Result<(), String>)> {
        let slot = self.surroundings.slot(connection);
        let known = slot.lock().await;
        known.as_ref().map(|known| (known.at, known.what.as_ref().map(drop).map_err(Clone::clone)))
    }

    /// What drafts are made against, read now: a plan is not made from what was true a minute ago.
    pub(super) async fn surroundings_now(&self, connection: &Connection) -> Result<Arc<Value>, EngineError> {
        let reach = self.reach(connection, &Access::Own, Lane::Live);
        let value = Arc::new(connection.connector.surroundings(reach).await?);
        let known = Known { since: Instant::now(), at: self.clock.now(), what: Ok(value.clone()) };
        *self.surroundings.slot(&connection.name).lock().await = Some(known);
        Ok(value)
    }

    /// The same, read a short while ago at most.
    pub(super) async fn surroundings_lately(&self, connection: &Connection) -> Result<Arc<Value>, EngineError> {
        let known = self.surroundings(connection).await;
        known.what.map_err(|detail| CrmError::Transient { retry_after: None, detail }.into())
    }

    async fn surroundings(&self, connection: &Connection) -> Known {
        let slot = self.surroundings.slot(&connection.name);
        // Held while the CRM is asked: whoever comes meanwhile gets this answer instead of asking again.
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref() {
            let good_for = if known.what.is_ok() { GOOD_FOR } else { BAD_FOR };
            if known.since.elapsed() < good_for {
                return known.clone();
            }
        }
        let ask = connection.connector.surroundings(self.reach(connection, &Access::Own, Lane::Live));
        let what = match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Ok(value)) => Ok(Arc::new(value)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the CRM did not answer within {} s", PATIENCE.as_secs())),
        };
        known.insert(Known { since: Instant::now(), at: self.clock.now(), what }).clone()
    }

    /// The archived record beside the one that stands for it in the CRM now.
    pub async fn compare_now(&self, entry: &Entry) -> Result<Comparison, EngineError> {
        let connection = self.connection(&entry.connection)?;
        let was = self.snapshot(&entry.snapshot).await?;
        let successor = self.successors_around(&was).await?;
        let record = successor.get(&entry.record).cloned().unwrap_or_else(|| entry.record.clone());
        let reach = self.reach(connection, &Access::Own, Lane::Live);
        match connection.connector.fetch(reach, std::slice::from_ref(&record)).await?.pop() {
            Some(Fetched::Whole(is)) => {
                let differences = connection.connector.compare(&was, &is, &|old| successor.get(old).cloned(), &[]);
                Ok(Comparison { record, alive: true, differences })
            }
            Some(Fetched::Absent) => Ok(Comparison { record, alive: false, differences: Vec::new() }),
            Some(Fetched::Hidden(why)) => Err(CrmError::Permanent { status: None, detail: why }.into()),
            None => Err(CrmError::Permanent { status: None, detail: "the CRM answered nothing".into() }.into()),
        }
    }

    /// The idmap around one snapshot: of the record itself and of everything it was linked with.
    pub(super) async fn successors_around(
        &self,
        snapshot: &Snapshot,
    ) -> Result<HashMap<RecordRef, RecordRef>, EngineError> {
        let mut found = HashMap::new();
        let ends = snapshot.associations.iter().flat_map(|link| [&link.from, &link.to]);
        for old in std::iter::once(&snapshot.of).chain(ends) {
            if !found.contains_key(old)
                && let Some(new) = self.store.successor(&snapshot.connection, old).await?
            {
                found.insert(old.clone(), new);
            }
        }
        Ok(found)
    }
}

impl Surroundings {
    fn slot(&self, connection: &str) -> Slot {
        let mut slots = self.0.lock().expect("nothing panics while it holds this lock");
        slots.entry(connection.to_owned()).or_default().clone()
    }
}
