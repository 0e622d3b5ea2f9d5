//! Against the bundled mock CRM.
//!
//! | file | idea |
//! | --- | --- |
//! | this one | a mock, an upstream, a restore without an engine |
//! | `round_trip` | deleted, written back, read back, compared |
//! | `twice` | lost answers and bad batches: never two copies |

#![allow(clippy::needless_pass_by_value, reason = "tables give values away")]

mod round_trip;
mod twice;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use mock_server::{MockServer, Options};
use serde_json::{Value, json};
use uuid::Uuid;

use super::write_with;
use crate::crm::amocrm::compare::compare;
use crate::crm::amocrm::draft::draft;
use crate::crm::amocrm::read::fetch;
use crate::crm::amocrm::rows::{embedded, id_at};
use crate::crm::upstream::{Ask, Upstream, UpstreamConfig};
use crate::crm::{Access, CrmError, Fetched, Lane, Reach, Written};
use crate::domain::ids::EntryId;
use crate::domain::plan::Step;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Difference, DraftStep, Loss};

/// What lists lag behind at most, in these tests.
const DELAY: Duration = Duration::from_millis(400);

struct Crm {
    _mock: MockServer,
    upstream: Upstream,
    access: Access,
}

impl Crm {
    async fn start(switches: Value) -> Self {
        Self::peopled(0, switches).await
    }

    /// With an account out of a seed.
    async fn peopled(contacts: usize, switches: Value) -> Self {
        let mock = MockServer::start(Options {
            contacts,
            requests_per_second: 0,
            account_requests_per_second: 0,
            ..Options::default()
        })
        .await
        .unwrap();
        let upstream = Upstream::new(UpstreamConfig {
            token: Some("demo-token".to_owned().into()),
            requests_per_second: 0,
            ask_timeout: Duration::from_secs(2),
            ..UpstreamConfig::new(mock.url().parse().unwrap())
        })
        .unwrap();
        let crm = Self { _mock: mock, upstream, access: Access::Own };
        crm.post("/_mock/switches", switches).await;
        crm
    }

    fn reach(&self) -> Reach<'_> {
        Reach {
            upstream: &self.upstream,
            access: &self.access,
            lane: Lane::Live,
            now: jiff::Timestamp::UNIX_EPOCH,
            connection: "acme",
        }
    }

    async fn ask(&self, method: Method, target: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let ask = Ask { method, target: target.to_owned(), body };
        let answer = self.upstream.ask(&self.access, Lane::Live, ask).await.unwrap();
        assert!(answer.status.is_success(), "{target}: {} {:?}", answer.status, answer.body);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    async fn get(&self, target: &str) -> Value {
        self.ask(Method::GET, target, None).await
    }

    async fn post(&self, target: &str, body: Value) -> Value {
        self.ask(Method::POST, target, Some(body)).await
    }

    /// Makes one record and says its id.
    async fn make(&self, path: &str, body: Value) -> u64 {
        let word = path.rsplit('/').next().unwrap();
        let made = self.post(path, json!([body])).await;
        id_at(&embedded(&made, word)[0], "id").unwrap()
    }

    async fn fault(&self, path: &str, when: &str, what: &str) {
        let fault = json!({"method": "POST", "path": path, "when": when, "do": what, "status": 503, "times": 1});
        self.post("/_mock/faults", fault).await;
    }

    async fn remove(&self, record: &RecordRef) {
        let id: u64 = record.id.parse().unwrap();
        self.post("/_mock/ui/delete", json!({"object": record.object, "ids": [id]})).await;
    }

    /// How many records of a kind were ever made.
    async fn made(&self, object: &str) -> usize {
        let effects = self.get("/_mock/effects?since=0").await;
        let effects = effects["effects"].as_array().unwrap();
        effects.iter().filter(|effect| effect["what"] == "created" && effect["object"] == object).count()
    }

    /// A snapshot, as the reading side makes it.
    async fn read(&self, of: &RecordRef) -> Snapshot {
        match fetch(self.reach(), std::slice::from_ref(of)).await.unwrap().remove(0) {
            Fetched::Whole(snapshot) => *snapshot,
            other => panic!("{of}: {other:?}"),
        }
    }

    async fn write(&self, steps: &[Step], names: &BTreeMap<RecordRef, RecordRef>) -> Result<Vec<Written>, CrmError> {
        let steps: Vec<&Step> = steps.iter().collect();
        let successor = |old: &RecordRef| names.get(old).cloned();
        let written = write_with(self.reach(), &steps, &successor, DELAY);
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("a write ends")
    }

    /// Applies the drafts wave by wave, as an engine would.
    async fn restore(&self, snapshots: &[Snapshot]) -> Restored {
        let around = super::surroundings(self.reach()).await.unwrap();
        let drafts: Vec<_> = snapshots.iter().map(|snapshot| draft(snapshot, &around)).collect();
        let mut restored = Restored::default();
        let mut steps = Vec::new();
        for draft in drafts {
            restored.losses.extend(draft.losses);
            for step in draft.steps {
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
        }
        for wave in 0..=4 {
            let steps: Vec<Step> =
                steps.iter().filter(|step| step.wave == wave).zip(0..).map(|(step, n)| of(step, n)).collect();
            let written = self.write(&steps, &restored.names).await.unwrap();
            for (step, written) in steps.iter().zip(written) {
                match &written {
                    Written::Made(now) => {
                        restored.names.insert(step.record.clone(), now.clone());
                    }
                    Written::MadeLess(now, losses) => {
                        restored.names.insert(step.record.clone(), now.clone());
                        restored.losses.extend(losses.clone());
                    }
                    Written::Done => {}
                    _ => restored.failed.push((step.record.clone(), written)),
                }
            }
        }
        restored
    }

    /// What reading back finds.
    async fn differences(&self, was: &Snapshot, restored: &Restored) -> Vec<Difference> {
        let is = self.read(&restored.names[&was.of]).await;
        compare(was, &is, &|old| restored.names.get(old).cloned(), &restored.losses)
    }
}

#[derive(Debug, Default)]
struct Restored {
    names: BTreeMap<RecordRef, RecordRef>,
    losses: Vec<Loss>,
    failed: Vec<(RecordRef, Written)>,
}

fn of(step: &DraftStep, number: u32) -> Step {
    Step {
        number,
        wave: step.wave,
        what: step.what,
        record: step.record.clone(),
        entry: EntryId(Uuid::nil()),
        root: false,
        needs: step.needs.clone(),
        after: Vec::new(),
        reason: None,
        write: Some(step.write.clone()),
    }
}

/// A step that makes one record.
fn step(number: u32, object: &str, body: Value) -> Step {
    let write = json!({"act": "create", "object": object, "body": body});
    made_by(number, &RecordRef::new(object, 700 + number), write)
}

/// A step with this write.
fn made_by(number: u32, record: &RecordRef, write: Value) -> Step {
    let what = crate::domain::plan::What::Recreate;
    of(&DraftStep { wave: 1, what, record: record.clone(), needs: Vec::new(), write }, number)
}
