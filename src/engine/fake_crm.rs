//! A CRM for tests of the engine and the faces: records with a name, a parent, notes and links, in memory. It counts
//! what it made, and fails when told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::fake_wire::{DeleteFault, FakeWire};
use crate::crm::upstream::transport::Transport;
use crate::crm::{
    Capabilities, Connector, CrmError, Dialect, Fetched, Head, Presence, Reach, Renamed, Successor, Triage, Undelete,
    Written,
};
use crate::domain::delete::{DeleteIntent, Recognised, Refusal, Selection, Verdict};
use crate::domain::plan::{Step, What};
use crate::domain::record::{Association, Eyes, ManifestLine, Part, RecordRef, SearchKeys, Snapshot};
use crate::domain::restore::{Difference, Draft, DraftStep, Loss};

/// What somebody else does to a record, and when: with the nth call that concerns it.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) of: RecordRef,
    pub(crate) to: String,
    pub(crate) before_call: usize,
}

/// What goes wrong with the next write.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing of it is sent.
    Transient,
    /// The answer is lost; whether the write has its effect.
    Ambiguous(bool),
    /// The CRM wants another token.
    Unauthorized,
    /// This record is refused, the others are made.
    Refuse(RecordRef),
    /// A bug, after the effect.
    Panic,
    /// The process dies after the effect: the write never returns.
    Hang,
}

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // switches of a fake
pub(crate) struct World {
    /// Record -> name.
    pub(crate) alive: BTreeMap<RecordRef, String>,
    pub(crate) links: BTreeSet<(RecordRef, RecordRef)>,
    /// Old name -> new name, in the order in which they were made.
    pub(crate) made: Vec<(RecordRef, RecordRef)>,
    /// Old names of every write, batch by batch.
    pub(crate) batches: Vec<Vec<String>>,
    pub(crate) faults: VecDeque<Fault>,
    /// What goes wrong with the write after the next one.
    pub(crate) second_fault: Option<Fault>,
    /// Whether what a lost write has made can be found.
    pub(crate) can_find: bool,
    /// What the account makes of every name that is written.
    pub(crate) spoils_names: bool,
    /// A write hangs.
    pub(crate) hanging: bool,
    /// What is made is not there when it is looked for.
    pub(crate) forgets: bool,
    pub(crate) delete_faults: VecDeque<DeleteFault>,
    /// Destroyed records, each as it was then.
    pub(crate) destroyed: Vec<(RecordRef, String)>,
    /// Deletes that arrived.
    pub(crate) delete_requests: usize,
    pub(crate) edits: Vec<Edit>,
    /// Calls of any kind so far, to which edits refer.
    pub(crate) calls: usize,
    /// The CRM's own log of changes.
    pub(crate) log: Vec<(RecordRef, Timestamp)>,
    /// Every call takes a little, by chance, if there is one (splitmix64).
    pub(crate) chance: Option<u64>,
    /// Nobody looks once more before a delete: the bug that tests must find.
    pub(crate) skips_the_last_look: bool,
    /// A look panics this many times.
    pub(crate) panics: usize,
    /// Looks hang.
    pub(crate) looks_hang: bool,
    pub(crate) unreachable: bool,
    /// Nobody may look.
    pub(crate) forbidden: bool,
    /// How long what was made stays out of lists.
    pub(crate) lag: Duration,
    made_at: Vec<tokio::time::Instant>,
    next: u64,
}

/// Cheap to clone; all clones are the same CRM.
#[derive(Clone, Debug)]
pub(crate) struct FakeCrm {
    world: Arc<Mutex<World>>,
    /// One permit a write; plenty unless a test takes them away.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) write_batch: usize,
}

impl FakeCrm {
    pub(crate) fn new() -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { world: Arc::default(), gate, write_batch: 2 }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panics while it holds this lock")
    }

    /// Something reaches the CRM: time passes, and others act.
    pub(super) async fn call(&self) {
        let wait = {
            let mut world = self.world();
            world.calls += 1;
            world.others_act();
            world.roll(40)
        };
        if let Some(wait) = wait {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// The wire to it, for requests of callers.
    pub(crate) fn wire(&self) -> Arc<dyn Transport> {
        Arc::new(FakeWire(self.clone()))
    }

    /// How often a record was made anew.
    pub(crate) fn copies(&self, old: &str) -> usize {
        self.world().made.iter().filter(|(made, _)| made.to_string() == old).count()
    }

    /// A snapshot as this CRM would have given it before the record was deleted.
    pub(crate) fn snapshot(of: &str, parent: Option<&str>, notes: &[&str], links: &[&str]) -> Snapshot {
        let of: RecordRef = of.parse().expect("a record");
        let body = json!({ "name": format!("name of {of}"), "parent": parent, "notes": notes });
        let links = links.iter().map(|to| Association {
            from: of.clone(),
            to: to.parse().expect("a record"),
            metadata: "{}".into(),
        });
        whole(of.clone(), &body, links.collect(), Timestamp::UNIX_EPOCH)
    }
}

fn whole(of: RecordRef, body: &Value, associations: Vec<Association>, taken_at: Timestamp) -> Snapshot {
    Snapshot {
        connection: "acme".into(),
        title: body["name"].as_str().unwrap_or_default().to_owned(),
        of,
        keys: SearchKeys::default(),
        parts: vec![Part {
            name: "record".into(),
            content_type: "application/json".into(),
            body: Bytes::from(body.to_string()),
        }],
        associations,
        manifest: vec![ManifestLine { part: "record".into(), expected: 1, got: 1 }],
        taken_at,
        read_by: Eyes::Gateway,
    }
}

fn body(snapshot: &Snapshot) -> Value {
    let part = snapshot.part("record").expect("every snapshot of this CRM has one");
    serde_json::from_slice(&part.body).expect("it wrote JSON")
}

fn records(list: &Value) -> Vec<RecordRef> {
    let texts = list.as_array().cloned().unwrap_or_default();
    texts.iter().filter_map(|text| text.as_str()?.parse().ok()).collect()
}

impl Dialect for FakeCrm {
    fn vendor(&self) -> &'static str {
        "fake"
    }
    fn triage(&self, _: &Head<'_>) -> Triage {
        Triage::Stream
    }
    fn recognise(&self, _: &Head<'_>, _: &[u8]) -> Recognised {
        Recognised::NotADelete
    }
    fn settle(&self, _: &DeleteIntent, status: StatusCode, _: &[u8]) -> Verdict {
        match status.as_u16() {
            200..300 => Verdict::Claimed,
            400..500 => Verdict::Denied(format!("the CRM answered {status}")),
            _ => Verdict::Unclear(format!("the CRM answered {status}")),
        }
    }
    fn gone(&self, _: &DeleteIntent) -> Response<Bytes> {
        Response::new(Bytes::new())
    }
    fn done(&self, intent: &DeleteIntent) -> Response<Bytes> {
        self.gone(intent)
    }
    fn refuse(&self, _: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(refusal.code));
        *response.status_mut() = StatusCode::from_u16(refusal.status).expect("a status");
        response
    }
    fn names_in_head(&self, _: &Head<'_>) -> Vec<RecordRef> {
        Vec::new()
    }
    fn names_in_body(&self, _: &Head<'_>, _: &[u8]) -> Vec<RecordRef> {
        Vec::new()
    }
    fn rename(&self, _: &Head<'_>, _: &[u8], _: Successor<'_>) -> Option<Renamed> {
        None
    }

    fn draft(&self, snapshot: &Snapshot, _: &Value) -> Draft {
        let body = body(snapshot);
        let step = |wave, what, record: RecordRef, needs| DraftStep {
            wave,
            what,
            write: json!({ "of": snapshot.of, "name": body["name"] }),
            record,
            needs,
        };
        let mut steps = vec![step(1, What::Recreate, snapshot.of.clone(), Vec::new())];
        steps.extend(records(&body["notes"]).into_iter().map(|note| step(2, What::Recreate, note, Vec::new())));
        steps.extend(snapshot.associations.iter().map(|link| {
            let name = format!("{}-{}-{}-{}", link.from.object, link.from.id, link.to.object, link.to.id);
            step(3, What::Relink, RecordRef::new("links", name), vec![link.to.clone()])
        }));
        let parents = body["parent"].as_str().map(|parent| parent.parse().expect("a record"));
        Draft { parents: parents.into_iter().collect(), steps, losses: Vec::new(), fields: vec!["name".into()] }
    }

    fn may_have_made(&self, step: &Step, snapshot: &Snapshot) -> bool {
        self.world().made.iter().any(|(old, new)| *old == step.record && *new == snapshot.of)
    }
    fn compare(&self, was: &Snapshot, is: &Snapshot, _: Successor<'_>, _: &[Loss]) -> Vec<Difference> {
        let (before, after) = (body(was), body(is));
        let differs = before["name"] != after["name"];
        let difference = || Difference {
            record: was.of.clone(),
            field: "name".into(),
            was: before["name"].to_string(),
            is: after["name"].to_string(),
        };
        differs.then(difference).into_iter().collect()
    }
}

#[async_trait]
impl Connector for FakeCrm {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            undelete: Undelete::None,
            read_page: 250,
            write_batch: self.write_batch,
            index_delay: Duration::from_millis(1),
        }
    }

    async fn resolve(&self, _: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
        match &intent.selection {
            Selection::Ids(ids) => Ok(ids.clone()),
            Selection::Query { .. } => Ok(Vec::new()),
        }
    }

    async fn fetch(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
        self.call().await;
        let read: Vec<Fetched> = {
            let world = self.world();
            if world.forbidden {
                return Err(CrmError::Permanent { status: Some(403), detail: "forbidden".into() });
            }
            let one = |record: &RecordRef| match world.alive.get(record) {
                Some(name) => {
                    Fetched::Whole(Box::new(whole(record.clone(), &json!({ "name": name }), Vec::new(), reach.now)))
                }
                None => Fetched::Absent,
            };
            records.iter().map(one).collect()
        };
        // The other parts.
        self.call().await;
        Ok(read)
    }

    async fn unchanged(&self, _: Reach<'_>, snapshots: &[Snapshot]) -> Result<Vec<bool>, CrmError> {
        self.call().await;
        let world = self.world();
        let one = |was: &Snapshot| {
            world.skips_the_last_look || world.alive.get(&was.of).is_some_and(|name| json!(name) == body(was)["name"])
        };
        Ok(snapshots.iter().map(one).collect())
    }

    async fn changed_since(
        &self,
        _: Reach<'_>,
        records: &[RecordRef],
        since: Timestamp,
    ) -> Result<Vec<bool>, CrmError> {
        self.call().await;
        let world = self.world();
        let one = |record: &RecordRef| world.log.iter().any(|(changed, at)| changed == record && *at >= since);
        Ok(records.iter().map(one).collect())
    }

    async fn presence(&self, _: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
        self.call().await;
        if self.world().looks_hang {
            std::future::pending::<()>().await;
        }
        let mut world = self.world();
        if world.panics > 0 {
            world.panics -= 1;
            drop(world);
            panic!("on purpose");
        }
        if world.unreachable {
            return Err(CrmError::Transient { retry_after: None, detail: "unreachable".into() });
        }
        if world.forbidden {
            return Err(CrmError::Permanent { status: Some(403), detail: "forbidden".into() });
        }
        let one = |record: &RecordRef| if world.alive.contains_key(record) { Presence::Alive } else { Presence::Gone };
        Ok(records.iter().map(one).collect())
    }

    async fn surroundings(&self, _: Reach<'_>) -> Result<Value, CrmError> {
        Ok(Value::Null)
    }

    async fn write(&self, _: Reach<'_>, steps: &[&Step], successor: Successor<'_>) -> Result<Vec<Written>, CrmError> {
        self.gate.acquire().await.expect("never closed").forget();
        self.call().await;
        let fault = {
            let mut world = self.world();
            let second = world.second_fault.take();
            let fault = world.faults.pop_front();
            world.faults.extend(second);
            fault
        };
        match fault {
            Some(Fault::Transient) => {
                return Err(CrmError::Transient { retry_after: Some(Duration::ZERO), detail: "busy".into() });
            }
            Some(Fault::Unauthorized) => {
                return Err(CrmError::Permanent { status: Some(401), detail: "token".into() });
            }
            Some(Fault::Ambiguous(false)) => return Err(CrmError::Ambiguous { detail: "cut".into() }),
            _ => {}
        }
        let written = self.world().carry_out(steps, successor, fault.as_ref());
        match fault {
            Some(Fault::Ambiguous(_)) => Err(CrmError::Ambiguous { detail: "cut".into() }),
            Some(Fault::Hang) => {
                self.world().hanging = true;
                std::future::pending().await
            }
            Some(Fault::Panic) => panic!("on purpose"),
            _ => Ok(written),
        }
    }

    async fn candidates(
        &self,
        _: Reach<'_>,
        step: &Step,
        _: Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<RecordRef>, CrmError> {
        let world = self.world();
        Ok(world.made.iter().filter(|(old, _)| *old == step.record).map(|(_, new)| new.clone()).collect())
    }

    async fn find_made(
        &self,
        _: Reach<'_>,
        steps: &[&Step],
        _: Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<Option<RecordRef>>, CrmError> {
        let world = self.world();
        if !world.can_find {
            return Err(CrmError::Permanent { status: None, detail: "no mark".into() });
        }
        // What was deleted since is not found any more.
        let there = |new: &RecordRef| world.forgets || world.alive.contains_key(new);
        let shown = || world.made.iter().zip(&world.made_at).filter(|(_, at)| at.elapsed() >= world.lag);
        let one = |step: &&Step| {
            shown().find(|((old, new), _)| *old == step.record && there(new)).map(|((_, new), _)| new.clone())
        };
        Ok(steps.iter().map(one).collect())
    }
}

impl World {
    fn carry_out(&mut self, steps: &[&Step], successor: Successor<'_>, fault: Option<&Fault>) -> Vec<Written> {
        self.batches.push(steps.iter().map(|step| step.record.to_string()).collect());
        let now = |old: &RecordRef| successor(old).unwrap_or_else(|| old.clone());
        let mut written = Vec::new();
        for step in steps {
            let of: RecordRef = step.write.as_ref().expect("a write")["of"]
                .as_str()
                .and_then(|of| of.parse().ok())
                .expect("the draft wrote it");
            if matches!(fault, Some(Fault::Refuse(record)) if *record == step.record) {
                written.push(Written::Refused { reason: "invalid".into(), detail: "no".into() });
                continue;
            }
            written.push(match step.what {
                What::Recreate => {
                    self.next += 1;
                    let new = RecordRef::new(&step.record.object, 9000 + self.next);
                    let name =
                        if self.spoils_names { "spoiled".to_owned() } else { format!("name of {}", step.record) };
                    if !self.forgets {
                        self.alive.insert(new.clone(), name);
                    }
                    self.made.push((step.record.clone(), new.clone()));
                    self.made_at.push(tokio::time::Instant::now());
                    Written::Made(new)
                }
                What::Relink => {
                    let ends = (now(&of), now(&step.needs[0]));
                    assert!(self.alive.contains_key(&ends.0), "{} is linked and not there", ends.0);
                    assert!(self.alive.contains_key(&ends.1), "{} is linked and not there", ends.1);
                    self.links.insert(ends);
                    Written::Done
                }
                _ => Written::Done,
            });
        }
        written
    }
}
