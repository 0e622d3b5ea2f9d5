//! A vendor that exists nowhere, and a store that keeps its events in a list.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::archive::audit::{Anchor, Anchors, AuditReport};
use crate::archive::{
    Act, Archive, ArchiveError, Bin, CheckReport, EntryFilter, Erasable, Ledger, OperationFilter, Page, Stats, Store,
    Write,
};
use crate::crm::{
    Capabilities, Connector, CrmError, Dialect, Fetched, Head, Presence, Reach, Renamed, Successor, Triage, Undelete,
    Written,
};
use crate::domain::delete::{DeleteIntent, Effect, Recognised, Refusal, Selection, Verdict};
use crate::domain::entry::{Entry, Operation};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId, SnapshotId};
use crate::domain::job::{Item, Job};
use crate::domain::plan::{Plan, Step};
use crate::domain::record::{Eyes, ManifestLine, RecordRef, SearchKeys, Snapshot};
use crate::domain::restore::{Difference, Draft, Loss};

/// Deletes by `DELETE /records/1`, and by `POST /form` with `delete=1`.
#[derive(Debug)]
pub(in crate::gateway) struct Fake;

fn record(path: &str) -> Option<RecordRef> {
    path.strip_prefix("/records/").filter(|id| !id.is_empty()).map(|id| RecordRef::new("records", id))
}

fn delete(record: RecordRef) -> Recognised {
    let selection = Selection::Ids(vec![record]);
    Recognised::Delete(DeleteIntent { route: "fake.delete", effect: Effect::Destroy, selection })
}

impl Dialect for Fake {
    fn vendor(&self) -> &'static str {
        "fake"
    }

    fn triage(&self, head: &Head<'_>) -> Triage {
        match (head.method, head.path) {
            (&Method::GET, "/delete-by-get") => Triage::Refuse("a delete by GET".into()),
            (method, _) if method.is_safe() => Triage::Stream,
            (_, "/refused") => Triage::Refuse("nobody knows it".into()),
            (&Method::DELETE, _) | (_, "/form") => Triage::Buffer(1000),
            _ => Triage::Stream,
        }
    }

    fn recognise(&self, head: &Head<'_>, body: &[u8]) -> Recognised {
        match record(head.path) {
            Some(record) if head.method == Method::DELETE => return delete(record),
            _ => {}
        }
        match std::str::from_utf8(body).ok().and_then(|body| body.split_once('=')) {
            Some(("delete", id)) => delete(RecordRef::new("records", id)),
            _ if body == b"garbage" => Recognised::Unreadable("garbage".into()),
            _ => Recognised::NotADelete,
        }
    }

    fn settle(&self, _: &DeleteIntent, status: StatusCode, _: &[u8]) -> Verdict {
        if status.is_success() { Verdict::Claimed } else { Verdict::Denied(status.to_string()) }
    }

    fn gone(&self, _: &DeleteIntent) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(b"gone"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    fn done(&self, intent: &DeleteIntent) -> Response<Bytes> {
        self.gone(intent)
    }
    fn refuse(&self, _: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("fake says {}: {}", refusal.code, refusal.detail)));
        *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap();
        response
    }

    fn names_in_head(&self, head: &Head<'_>) -> Vec<RecordRef> {
        record(head.path).into_iter().collect()
    }

    fn names_in_body(&self, _: &Head<'_>, body: &[u8]) -> Vec<RecordRef> {
        let id = std::str::from_utf8(body).ok().and_then(|body| body.split_once('='));
        id.map(|(_, id)| RecordRef::new("records", id)).into_iter().collect()
    }

    fn rename(&self, head: &Head<'_>, body: &[u8], successor: Successor<'_>) -> Option<Renamed> {
        let changes: Vec<_> = self
            .names_in_head(head)
            .into_iter()
            .chain(self.names_in_body(head, body))
            .filter_map(|old| successor(&old).map(|new| (old, new)))
            .collect();
        let path = record(head.path).and_then(|old| successor(&old)).map(|new| format!("/{new}"));
        let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}{query}", path.unwrap_or_else(|| head.path.to_owned()));
        let body =
            self.names_in_body(head, body).first().and_then(successor).map(|new| format!("delete={}", new.id).into());
        (!changes.is_empty()).then_some(Renamed { target, body, changes })
    }

    fn draft(&self, _: &Snapshot, _: &Value) -> Draft {
        unimplemented!("nothing is restored here")
    }

    fn may_have_made(&self, _: &Step, _: &Snapshot) -> bool {
        unimplemented!("nothing is restored here")
    }

    fn compare(&self, _: &Snapshot, _: &Snapshot, _: Successor<'_>, _: &[Loss]) -> Vec<Difference> {
        unimplemented!("nothing is restored here")
    }
}

#[async_trait]
impl Connector for Fake {
    fn capabilities(&self) -> Capabilities {
        Capabilities { undelete: Undelete::None, read_page: 1, write_batch: 1, index_delay: Duration::ZERO }
    }

    async fn resolve(&self, _: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
        match &intent.selection {
            Selection::Ids(ids) => Ok(ids.clone()),
            Selection::Query { .. } => unimplemented!("no query is recognized here"),
        }
    }

    async fn fetch(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
        let snapshot = |of: &RecordRef| Snapshot {
            connection: reach.connection.to_owned(),
            of: of.clone(),
            title: String::new(),
            keys: SearchKeys::default(),
            parts: vec![],
            associations: vec![],
            manifest: vec![ManifestLine { part: "record".into(), expected: 1, got: 1 }],
            taken_at: reach.now,
            read_by: Eyes::Gateway,
        };
        Ok(records.iter().map(|of| Fetched::Whole(Box::new(snapshot(of)))).collect())
    }

    async fn presence(&self, _: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
        Ok(vec![Presence::Gone; records.len()])
    }

    async fn surroundings(&self, _: Reach<'_>) -> Result<Value, CrmError> {
        Ok(Value::Null)
    }

    async fn write(&self, _: Reach<'_>, _: &[&Step], _: Successor<'_>) -> Result<Vec<Written>, CrmError> {
        unimplemented!("nothing is restored here")
    }

    async fn changed_since(&self, _: Reach<'_>, records: &[RecordRef], _: Timestamp) -> Result<Vec<bool>, CrmError> {
        // It keeps no log of changes.
        Ok(vec![false; records.len()])
    }

    async fn candidates(
        &self,
        _: Reach<'_>,
        _: &Step,
        _: Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<RecordRef>, CrmError> {
        unimplemented!("nothing is restored here")
    }

    async fn find_made(
        &self,
        _: Reach<'_>,
        _: &[&Step],
        _: jiff::Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<Option<RecordRef>>, CrmError> {
        Ok(Vec::new())
    }
}

/// Events in a list, and records that have successors.
#[derive(Debug, Default)]
pub(in crate::gateway) struct List {
    pub(in crate::gateway) events: Mutex<Vec<Recorded>>,
    pub(in crate::gateway) moved: Vec<(RecordRef, RecordRef)>,
}

impl List {
    fn note(&self, stream: &Stream, expected: u64, events: Vec<Event>) -> Vec<Recorded> {
        let mut list = self.events.lock().unwrap();
        let mut noted = Vec::new();
        for (version, event) in (expected + 1..).zip(events) {
            let seq = list.len() as u64 + 1;
            let recorded = Recorded { seq, stream: stream.clone(), version, at: jiff::Timestamp::UNIX_EPOCH, event };
            list.push(recorded.clone());
            noted.push(recorded);
        }
        noted
    }

    /// The events as their names and codes.
    pub(in crate::gateway) fn told(&self) -> Vec<String> {
        let list = self.events.lock().unwrap();
        let name = |recorded: &Recorded| match &recorded.event {
            Event::Refused { code, .. } => format!("refused {code}"),
            event => format!("{event:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned(),
        };
        list.iter().map(name).collect()
    }
}

#[async_trait]
impl Archive for List {
    async fn put(&self, snapshots: &[Snapshot]) -> Result<Vec<SnapshotId>, ArchiveError> {
        Ok(snapshots.iter().map(Snapshot::id).collect())
    }
    async fn get(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError> {
        Err(ArchiveError::NotFound(id.to_string()))
    }
    async fn history(&self, _: &str, _: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError> {
        Ok(vec![])
    }
    async fn forget(&self, _: &SnapshotId) -> Result<(), ArchiveError> {
        Ok(())
    }
}

#[async_trait]
impl Ledger for List {
    async fn append(&self, stream: &Stream, expected: u64, events: Vec<Event>) -> Result<Vec<Recorded>, ArchiveError> {
        Ok(self.note(stream, expected, events))
    }
    async fn read(&self, _: &Stream, _: u64) -> Result<Vec<Recorded>, ArchiveError> {
        Ok(vec![])
    }
    async fn streams(&self, _: &str) -> Result<Vec<(Stream, u64)>, ArchiveError> {
        Ok(vec![])
    }
}

#[async_trait]
impl Bin for List {
    async fn entries(&self, _: &EntryFilter) -> Result<Page<Entry>, ArchiveError> {
        Ok(Page { rows: vec![], next: None })
    }
    async fn entry(&self, _: EntryId) -> Result<Option<Entry>, ArchiveError> {
        Ok(None)
    }
    async fn in_bin(&self, _: &str, _: &RecordRef) -> Result<Option<Entry>, ArchiveError> {
        Ok(None)
    }
    async fn operations(&self, _: &OperationFilter) -> Result<Page<Operation>, ArchiveError> {
        Ok(Page { rows: vec![], next: None })
    }
    async fn operation(&self, _: OperationId) -> Result<Option<Operation>, ArchiveError> {
        Ok(None)
    }
    async fn plan(&self, _: PlanId) -> Result<Option<Plan>, ArchiveError> {
        Ok(None)
    }
    async fn jobs(&self, _: usize, _: Option<&str>) -> Result<Page<Job>, ArchiveError> {
        Ok(Page { rows: vec![], next: None })
    }
    async fn job(&self, _: JobId) -> Result<Option<Job>, ArchiveError> {
        Ok(None)
    }
    async fn items(&self, _: JobId, _: usize, _: Option<&str>) -> Result<Page<Item>, ArchiveError> {
        Ok(Page { rows: vec![], next: None })
    }
    async fn audit(&self, _: usize, _: Option<&str>) -> Result<Page<Recorded>, ArchiveError> {
        Ok(Page { rows: vec![], next: None })
    }
    async fn successor(&self, _: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError> {
        Ok(self.moved.iter().find(|(from, _)| from == old).map(|(_, to)| to.clone()))
    }
    fn successors(&self, _: &str) -> u64 {
        self.moved.len() as u64
    }
    async fn stats(&self) -> Result<Stats, ArchiveError> {
        Ok(Stats::default())
    }
}

#[async_trait]
impl Store for List {
    async fn commit(&self, write: Write) -> Result<Vec<Recorded>, ArchiveError> {
        Ok(write.appends.into_iter().flat_map(|(stream, at, events)| self.note(&stream, at, events)).collect())
    }
    fn ready(&self) -> Result<(), ArchiveError> {
        Ok(())
    }
    async fn check(&self) -> Result<CheckReport, ArchiveError> {
        Ok(CheckReport::default())
    }
    async fn anchor(&self, _: Option<Anchor>) -> Result<Anchor, ArchiveError> {
        unimplemented!("nothing is audited here")
    }
    async fn verify(&self, _: Anchors) -> Result<AuditReport, ArchiveError> {
        unimplemented!("nothing is audited here")
    }
    async fn erasable(&self, _: &str, _: &RecordRef) -> Result<Erasable, ArchiveError> {
        unimplemented!("nothing is erased here")
    }
    async fn erase(&self, _: &Erasable, _: Act) -> Result<Recorded, ArchiveError> {
        unimplemented!("nothing is erased here")
    }
}
