//! An engine over the memory store and a fake CRM, with records in the bin. For tests.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::delete::DeleteRequest;
use super::fake_crm::FakeCrm;
use super::restore::{RestoreAsk, Wanted};
use super::{Connection, Engine, EngineError};
use crate::archive::memory::Memory;
use crate::archive::{Store, Write};
use crate::crm::upstream::{Upstream, UpstreamConfig};
use crate::domain::delete::{DeleteIntent, Effect, Fate, Selection};
use crate::domain::entry::{Entry, OperationState, Via};
use crate::domain::event::{CapturedEntry, Event, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId};
use crate::domain::job::{Item, Job, JobState};
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::world::{Clock, Names};

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Now;
impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[derive(Debug)]
struct Fresh;
impl Names for Fresh {
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// One process: an engine whose jobs run, unless the test has not started them or has stopped them.
pub(crate) struct Fake {
    pub(crate) engine: Engine,
    pub(crate) crm: FakeCrm,
    pub(crate) store: Arc<dyn Store>,
    shutdown: CancellationToken,
    keeper: Option<JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Fake {
    /// Over an empty store. Jobs do not run yet.
    pub(crate) fn idle() -> Self {
        Self::over(Arc::new(Memory::new(Arc::new(Now))), FakeCrm::new())
    }

    /// Another process over the same store and the same CRM.
    pub(crate) fn over(store: Arc<dyn Store>, crm: FakeCrm) -> Self {
        Self::patient(store, crm, None)
    }

    /// The same, told how long the lists of its CRM lag behind.
    pub(crate) fn patient(store: Arc<dyn Store>, crm: FakeCrm, index_delay: Option<Duration>) -> Self {
        let base = "http://127.0.0.1:9".parse().expect("an address");
        let config = UpstreamConfig { index_delay, ..UpstreamConfig::new(base) };
        let connection = Connection {
            name: "acme".into(),
            connector: Arc::new(crm.clone()),
            upstream: Arc::new(Upstream::over(config, crm.wire()).expect("it can be used")),
            has_own_token: true,
        };
        let mute = Connection { name: "mute".into(), has_own_token: false, ..connection.clone() };
        let engine =
            Engine::new(store.clone(), vec![connection, mute], Policy::default(), Arc::new(Now), Arc::new(Fresh));
        Self { engine, crm, store, shutdown: CancellationToken::new(), keeper: None }
    }

    /// The same with this connection instead.
    pub(crate) fn with(&self, connection: Connection) -> Self {
        let engine =
            Engine::new(self.store.clone(), vec![connection], Policy::default(), Arc::new(Now), Arc::new(Fresh));
        Self {
            engine,
            crm: self.crm.clone(),
            store: self.store.clone(),
            shutdown: CancellationToken::new(),
            keeper: None,
        }
    }

    /// An engine over the same store with these connections instead.
    pub(crate) fn with_all(&self, connections: Vec<Connection>) -> Engine {
        Engine::new(self.store.clone(), connections, Policy::default(), Arc::new(Now), Arc::new(Fresh))
    }

    /// Lets jobs run.
    pub(crate) fn start(&mut self) {
        let (engine, shutdown) = (self.engine.clone(), self.shutdown.clone());
        self.keeper = Some(tokio::spawn(async move { engine.keep_jobs_running(shutdown).await }));
    }

    pub(crate) fn running() -> Self {
        let mut fake = Self::idle();
        fake.start();
        fake
    }

    /// Stops as on SIGTERM: the batch under way is finished.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(keeper) = self.keeper.take() {
            tokio::time::timeout(PATIENCE, keeper).await.expect("in time").expect("no panic");
        }
    }

    /// Puts records into the bin, as one operation of this connection.
    pub(crate) async fn delete_on(&self, connection: &str, snapshots: Vec<Snapshot>) -> (OperationId, Vec<EntryId>) {
        let (operation, ids) = self.forward_on(connection, snapshots).await;
        let fates = ids.iter().map(|id| (*id, Fate::Deleted)).collect();
        let settled = Event::Settled { fates, answer: Some(204), state: OperationState::Confirmed };
        self.store.append(&Stream::operation(operation), 2, vec![settled]).await.expect("the memory takes it");
        (operation, ids)
    }

    /// As a crash leaves it: the snapshots are durable, the request went out, and nobody knows what became of it.
    pub(crate) async fn forward_on(&self, connection: &str, snapshots: Vec<Snapshot>) -> (OperationId, Vec<EntryId>) {
        let operation = OperationId(Uuid::now_v7());
        let snapshots: Vec<Snapshot> =
            snapshots.into_iter().map(|snapshot| Snapshot { connection: connection.to_owned(), ..snapshot }).collect();
        let one = |snapshot: &Snapshot| CapturedEntry {
            id: EntryId(Uuid::now_v7()),
            record: snapshot.of.clone(),
            snapshot: snapshot.id(),
            expires_at: Timestamp::MAX,
        };
        let entries: Vec<CapturedEntry> = snapshots.iter().map(one).collect();
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let captured = Event::Captured {
            operation,
            connection: connection.to_owned(),
            via: Via::Proxy,
            by: "a script".into(),
            route: "fake.delete".into(),
            entries,
        };
        let events = vec![captured, Event::Forwarding];
        let write = Write { snapshots, appends: vec![(Stream::operation(operation), 0, events)] };
        self.store.commit(write).await.expect("the memory takes it");
        (operation, ids)
    }

    /// A caller's delete of these records, through the whole protocol.
    pub(crate) fn request(records: &[RecordRef], caller: &str, key: Option<&str>) -> DeleteRequest {
        let body = records.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let mut request = http::Request::builder().method("POST").uri("/delete").header("authorization", caller);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let intent =
            DeleteIntent { route: "fake.delete", effect: Effect::Destroy, selection: Selection::Ids(records.to_vec()) };
        DeleteRequest { request: request.body(body.into()).expect("a request"), intent }
    }

    pub(crate) async fn delete(&self, snapshots: Vec<Snapshot>) -> (OperationId, Vec<EntryId>) {
        self.delete_on("acme", snapshots).await
    }

    pub(crate) async fn plan(&self, entries: &[EntryId]) -> Result<Plan, EngineError> {
        let of = Wanted::Entries(entries.to_vec());
        self.engine.plan_restore(RestoreAsk { of, include_parents: true }, "anna").await
    }

    /// Plans, applies and waits for the end.
    pub(crate) async fn restore(&self, entries: &[EntryId]) -> Job {
        let plan = self.plan(entries).await.expect("a plan");
        let job = self.engine.apply(plan.id, &plan.digest, "anna").await.expect("a job");
        self.ended(job.id).await
    }

    /// Waits until the job is in this state.
    pub(crate) async fn until(&self, id: JobId, is_so: impl Fn(&Job) -> bool) -> Job {
        let mut last = None;
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let job = self.engine.job(id).await.expect("it was queued");
                if is_so(&job) {
                    return job;
                }
                last = Some(job);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let waited = waited.await;
        waited.unwrap_or_else(|_| panic!("not in time: {last:?}"))
    }

    pub(crate) async fn ended(&self, id: JobId) -> Job {
        self.until(id, |job| job.state.is_final()).await
    }

    pub(crate) async fn in_state(&self, id: JobId, state: JobState) -> Job {
        self.until(id, |job| job.state == state).await
    }

    pub(crate) async fn entry(&self, id: EntryId) -> Entry {
        self.store.entry(id).await.expect("readable").expect("it was captured")
    }

    /// `record state reason` of each item, in the order of the plan.
    pub(crate) async fn items(&self, id: JobId) -> Vec<String> {
        let page = self.store.items(id, 200, None).await.expect("readable");
        let told = |item: &Item| {
            let state = serde_json::to_value(item.state).expect("a word");
            let reason = item.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{} {}{reason}", item.record, state.as_str().unwrap_or_default())
        };
        page.rows.iter().map(told).collect()
    }
}
