//! A mock CRM, and our way to it.

use std::time::Duration;

use mock_server::{MockServer, Options};
use serde_json::{Value, json};

use crate::crm::upstream::{Ask, Upstream, UpstreamConfig};
use crate::crm::{Access, CrmError, Fetched, Lane, Presence, Reach};
use crate::domain::delete::{DeleteIntent, Effect, Selection};
use crate::domain::record::{RecordRef, Snapshot};

pub struct World {
    mock: MockServer,
    upstream: Upstream,
    access: Access,
}

/// Bounds a test in time.
pub async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), test).await.expect("a test ends within a minute")
}

pub fn record(text: &str) -> RecordRef {
    text.parse().expect("a record")
}

pub fn refs(object: &str, ids: &[u64]) -> Vec<RecordRef> {
    ids.iter().map(|id| RecordRef::new(object, id)).collect()
}

/// The part as JSON.
pub fn part(snapshot: &Snapshot, name: &str) -> Value {
    let part = snapshot.part(name).unwrap_or_else(|| panic!("{} has no {name}", snapshot.of));
    serde_json::from_slice(&part.body).expect("parts are JSON")
}

pub fn whole(fetched: &Fetched) -> &Snapshot {
    match fetched {
        Fetched::Whole(snapshot) => {
            assert_eq!(snapshot.incomplete(), None);
            snapshot
        }
        other => panic!("not whole: {other:?}"),
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with_files_up_to(5).await
    }

    pub async fn with_files_up_to(files_up_to: usize) -> Self {
        let options = Options { requests_per_second: 0, account_requests_per_second: 0, ..Options::default() };
        let mock = MockServer::start(options).await.expect("the mock starts");
        let base = mock.url().parse().expect("an address");
        let token = Some("demo-token".to_owned().into());
        let config = UpstreamConfig { token, requests_per_second: 0, files_up_to, ..UpstreamConfig::new(base) };
        let upstream = Upstream::new(config).expect("a usable address");
        Self { mock, upstream, access: Access::Own }
    }

    pub fn reach(&self) -> Reach<'_> {
        Reach {
            upstream: &self.upstream,
            access: &self.access,
            lane: Lane::Live,
            now: jiff::Timestamp::UNIX_EPOCH,
            connection: "acme",
        }
    }

    pub async fn fetch(&self, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
        super::super::fetch(self.reach(), records).await
    }

    pub async fn fetch_one(&self, record: &RecordRef) -> Fetched {
        self.fetch(std::slice::from_ref(record)).await.expect("an answer").remove(0)
    }

    pub async fn presence(&self, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
        super::super::presence(self.reach(), records).await
    }

    /// Asserts that each is there or gone.
    pub async fn are(&self, records: &[RecordRef], presence: Presence) {
        assert_eq!(self.presence(records).await.expect("an answer"), vec![presence; records.len()], "{records:?}");
    }

    pub async fn resolve(&self, selection: Selection) -> Result<Vec<RecordRef>, CrmError> {
        let intent = DeleteIntent { route: "test", effect: Effect::Detach, selection };
        super::super::resolve(self.reach(), &intent).await
    }

    pub async fn ask(&self, ask: Ask) -> Option<Value> {
        let what = format!("{} {}", ask.method, ask.target);
        let answer = self.upstream.ask(&self.access, Lane::Live, ask).await.expect("an answer");
        assert!(answer.status.is_success(), "{what}: {} {:?}", answer.status, answer.body);
        if answer.body.is_empty() { None } else { serde_json::from_slice(&answer.body).ok() }
    }

    pub async fn get(&self, target: &str) -> Option<Value> {
        self.ask(Ask::get(target)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Option<Value> {
        self.ask(Ask::post(path, &body)).await
    }

    /// Creates records; their ids.
    pub async fn create(&self, path: &str, items: Value) -> Vec<u64> {
        let body = self.post(&format!("/api/v4/{path}"), items).await.expect("a body");
        let rows = body["_embedded"].as_object().expect("_embedded").values().next().expect("a list").clone();
        rows.as_array().expect("a list").iter().map(|row| row["id"].as_u64().expect("an id")).collect()
    }

    pub async fn switch(&self, name: &str, value: Value) {
        self.post("/_mock/switches", json!({name: value})).await;
    }

    pub async fn fault(&self, path: &str, fault: Value) {
        let mut rule = fault;
        rule["path"] = json!(path);
        rule["method"] = json!("GET");
        self.post("/_mock/faults", rule).await;
    }

    pub async fn heal(&self) {
        self.ask(Ask { method: http::Method::DELETE, target: "/_mock/faults".into(), body: None }).await;
    }

    pub async fn delete_on_screen(&self, object: &str, ids: &[u64]) {
        let done = self.post("/_mock/ui/delete", json!({"object": object, "ids": ids})).await.expect("a body");
        assert_eq!(done["done"].as_array().map(Vec::len), Some(ids.len()), "{done}");
    }

    /// What our reads have asked the API for since `from`.
    pub async fn asked(&self, from: usize) -> Vec<String> {
        self.asked_ever().await.split_off(from)
    }

    pub async fn asked_ever(&self) -> Vec<String> {
        let heard = self.get("/_mock/requests").await.expect("a body");
        let heard = heard["requests"].as_array().expect("a list").iter();
        let targets = heard.map(|row| row["target"].as_str().expect("a target").to_owned());
        targets.filter(|target| target.starts_with("/api/")).collect()
    }

    pub fn base(&self) -> String {
        self.mock.url()
    }
}

/// A contact with all that can hang on it: `(contact, company, lead)`.
pub async fn furnished(world: &World) -> (u64, u64, u64) {
    let contact = world
        .create(
            "contacts",
            json!([{
                "name": "Anna Serova", "first_name": "Anna", "last_name": "Serova",
                "custom_fields_values": [
                    {"field_code": "PHONE", "values": [{"value": "+79990000001", "enum_code": "WORK"}]},
                    {"field_code": "EMAIL", "values": [{"value": "anna@example.test", "enum_code": "WORK"}]},
                ],
                "_embedded": {"tags": [{"name": "vip"}, {"name": "old client"}]},
            }]),
        )
        .await[0];
    let company = world.create("companies", json!([{"name": "Acme"}])).await[0];
    let lead = world.create("leads", json!([{"name": "Window order", "price": 48000}])).await[0];
    let end = |id: u64, kind: &str, metadata: Value| json!([{"to_entity_id": id, "to_entity_type": kind, "metadata": metadata}]);
    world.post(&format!("/api/v4/contacts/{contact}/link"), end(company, "companies", Value::Null)).await;
    world.post(&format!("/api/v4/leads/{lead}/link"), end(contact, "contacts", json!({"is_main": true}))).await;
    let notes = json!([
        {"entity_id": contact, "note_type": "common", "params": {"text": "Asked for a discount"}},
        {"entity_id": contact, "note_type": "call_in", "params":
            {"uniq": "u1", "duration": 30, "source": "pbx", "link": "https://example.test/1", "phone": "+79990000001"}},
        {"entity_id": contact, "note_type": "geolocation", "params":
            {"text": "here", "address": "Perm", "longitude": "56.2", "latitude": "58.0"}},
    ]);
    world.create("contacts/notes", notes).await;
    let task = |text: &str, done: bool| {
        json!({"text": text, "complete_till": 1_900_000_000, "entity_id": contact, "entity_type": "contacts",
            "is_completed": done, "result": if done { json!({"text": "ok"}) } else { Value::Null }})
    };
    world.create("tasks", json!([task("Call back", false), task("Send the offer", true)])).await;
    (contact, company, lead)
}
