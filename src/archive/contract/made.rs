//! What the tests are made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::archive::{EntryFilter, Store, Write};
use crate::domain::delete::Fate;
use crate::domain::entry::{Entry, OperationState, Via};
use crate::domain::event::{CapturedEntry, Event, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId};
use crate::domain::job::{Item, ItemState};
use crate::domain::plan::{Plan, PlanKind};
use crate::domain::record::{Eyes, ManifestLine, Part, RecordRef, SearchKeys, Snapshot};
use crate::domain::world::Clock;

/// A second later each time it is looked at.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        at(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(1_700_000_000)))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

pub(crate) fn op(n: u128) -> OperationId {
    OperationId(Uuid::from_u128(0x1000 + n))
}
pub(crate) fn entry(n: u128) -> EntryId {
    EntryId(Uuid::from_u128(0x2000 + n))
}
pub(crate) fn job(n: u128) -> JobId {
    JobId(Uuid::from_u128(0x3000 + n))
}
pub(crate) fn plan(n: u128) -> PlanId {
    PlanId(Uuid::from_u128(0x4000 + n))
}
pub(crate) fn contact(id: u128) -> RecordRef {
    RecordRef::new("contacts", id)
}

/// A contact as the CRM had it.
pub(crate) fn snapshot(id: u128, title: &str) -> Snapshot {
    Snapshot {
        connection: "acme".into(),
        of: contact(id),
        title: title.into(),
        keys: SearchKeys {
            names: vec![title.into()],
            emails: vec![format!("mail{id}@example.com")],
            phones: vec![format!("+7 (916) 555-{id:04}")],
        },
        parts: vec![Part {
            name: "record".into(),
            content_type: "application/json".into(),
            body: Bytes::from(format!("{{\"id\":{id},\"price\":1.10}}")),
        }],
        associations: Vec::new(),
        manifest: vec![ManifestLine { part: "record".into(), expected: 1, got: 1 }],
        taken_at: at(1_600_000_000),
        read_by: Eyes::Gateway,
    }
}

/// The events of a delete: entry `n` is of the n-th snapshot.
pub(crate) fn captured(n: u128, connection: &str, of: &[(EntryId, &Snapshot)]) -> Vec<Event> {
    let entries = of.iter().map(|(id, snapshot)| CapturedEntry {
        id: *id,
        record: snapshot.of.clone(),
        snapshot: snapshot.id(),
        expires_at: Timestamp::MAX,
    });
    let captured = Event::Captured {
        operation: op(n),
        connection: connection.into(),
        via: Via::Proxy,
        by: "importer".into(),
        route: "amocrm.delete".into(),
        entries: entries.collect(),
    };
    vec![captured, Event::Forwarding]
}

/// Operation `n` deletes these snapshots as entries `n * 100 + 0, 1, …`.
pub(crate) async fn delete(store: &impl Store, n: u128, snapshots: Vec<Snapshot>) -> Vec<EntryId> {
    let ids: Vec<EntryId> = (0..snapshots.len()).map(|i| entry(n * 100 + i as u128)).collect();
    let of: Vec<_> = ids.iter().copied().zip(&snapshots).collect();
    let connection = snapshots.first().map_or("acme".to_owned(), |snapshot| snapshot.connection.clone());
    let events = captured(n, &connection, &of);
    let appends = vec![(Stream::operation(op(n)), 0, events)];
    store.commit(Write { snapshots, appends }).await.expect("committed");
    ids
}

/// The same, and the CRM deleted all.
pub(crate) async fn deleted(store: &impl Store, n: u128, snapshots: Vec<Snapshot>) -> Vec<EntryId> {
    let ids = delete(store, n, snapshots).await;
    let fates = ids.iter().map(|id| (*id, Fate::Deleted)).collect();
    settle(store, n, fates, OperationState::Confirmed).await;
    ids
}

pub(crate) async fn settle(store: &impl Store, n: u128, fates: Vec<(EntryId, Fate)>, state: OperationState) {
    let event = Event::Settled { fates, answer: Some(200), state };
    store.append(&Stream::operation(op(n)), 2, vec![event]).await.expect("settled");
}

pub(crate) fn all() -> EntryFilter {
    EntryFilter { limit: 50, ..EntryFilter::default() }
}

pub(crate) async fn titles(store: &impl Store, filter: &EntryFilter) -> Vec<String> {
    let page = store.entries(filter).await.expect("listed");
    page.rows.into_iter().map(|entry| entry.title).collect()
}

pub(crate) async fn one(store: &impl Store, id: EntryId) -> Entry {
    store.entry(id).await.expect("read").expect("there")
}

/// A plan of this many steps that takes 100 seconds.
pub(crate) fn planned(n: u128) -> Plan {
    Plan {
        id: plan(n),
        kind: PlanKind::Restore,
        connection: "acme".into(),
        operation: None,
        digest: "d".into(),
        created_at: at(1_700_000_000),
        basis: Vec::new(),
        steps: Vec::new(),
        losses: Vec::new(),
        counts: std::collections::BTreeMap::default(),
        requests: 1,
        eta_seconds: 100,
    }
}

/// Job `n` of plan `n` is queued and runs.
pub(crate) async fn running(store: &impl Store, n: u128, total: u64) -> Stream {
    let made = Event::PlanMade { plan: Box::new(planned(n)), by: "anna".into() };
    store.append(&Stream::plan(plan(n)), 0, vec![made]).await.expect("planned");
    let stream = Stream::job(job(n));
    let queued = Event::JobQueued {
        job: job(n),
        plan: plan(n),
        kind: PlanKind::Restore,
        connection: "acme".into(),
        total,
        by: "anna".into(),
    };
    let runs = Event::JobMoved { to: crate::domain::job::JobState::Running, reason: None };
    store.append(&stream, 0, vec![queued, runs]).await.expect("queued");
    stream
}

pub(crate) fn item(step: u32, entry: EntryId, old: u128, state: ItemState, new: Option<u128>) -> Item {
    Item {
        step,
        record: contact(old),
        entry,
        root: true,
        state,
        restored_as: new.map(contact),
        reason: (state != ItemState::Done).then(|| "alive".into()),
        losses: Vec::new(),
    }
}

/// Appends to a stream, whatever its version is.
pub(crate) async fn push(
    store: &impl Store,
    stream: &Stream,
    events: Vec<Event>,
) -> Result<(), crate::archive::ArchiveError> {
    let version = store.read(stream, 0).await?.len() as u64;
    store.append(stream, version, events).await.map(drop)
}
