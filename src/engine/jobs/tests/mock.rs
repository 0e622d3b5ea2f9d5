//! The first vendor of the list against the bundled mock: deleted on the CRM's own screens, planned, applied, read back.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::crm::upstream::{Ask, Upstream, UpstreamConfig};
use crate::crm::{Access, Fetched, Lane};
use crate::domain::entry::OperationState;
use crate::domain::job::JobState;
use crate::domain::plan::What;
use crate::domain::record::RecordRef;
use crate::engine::Connection;
use crate::engine::fake_world::Fake;

async fn post(upstream: &Upstream, target: &str, body: Value) -> Value {
    let body = Some(("application/json", Bytes::from(body.to_string())));
    let ask = Ask { method: Method::POST, target: target.to_owned(), body };
    let answer = upstream.ask(&Access::Own, Lane::Live, ask).await.unwrap();
    assert!(answer.status.is_success(), "{target}: {} {:?}", answer.status, answer.body);
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

#[tokio::test]
async fn what_was_deleted_comes_back_through_a_real_connector() {
    let mock = mock_server::MockServer::start(mock_server::Options {
        contacts: 0,
        requests_per_second: 0,
        account_requests_per_second: 0,
        ..mock_server::Options::default()
    })
    .await
    .unwrap();
    let upstream = Upstream::new(UpstreamConfig {
        token: Some("demo-token".to_owned().into()),
        requests_per_second: 0,
        ..UpstreamConfig::new(mock.url().parse().unwrap())
    })
    .unwrap();
    let connector = crate::crm::vendors().remove(0);
    let connection =
        Connection { name: "acme".into(), connector, upstream: Arc::new(upstream.clone()), has_own_token: true };
    let mut fake = Fake::idle().with(connection.clone());
    fake.start();
    let id = |made: &Value, word: &str| made["_embedded"][word][0]["id"].as_u64().unwrap();
    let company = id(&post(&upstream, "/api/v4/companies", json!([{"name": "Acme"}])).await, "companies");
    let contact = id(
        &post(&upstream, "/api/v4/contacts", json!([{"name": "Anna", "_embedded": {"companies": [{"id": company}]}}]))
            .await,
        "contacts",
    );
    let lead = id(
        &post(
            &upstream,
            "/api/v4/leads",
            json!([{"name": "Deal", "price": 5, "_embedded": {"contacts": [{"id": contact}]}}]),
        )
        .await,
        "leads",
    );
    post(
        &upstream,
        "/api/v4/contacts/notes",
        json!([{"entity_id": contact, "note_type": "common", "params": {"text": "hello"}}]),
    )
    .await;
    let records =
        [RecordRef::new("companies", company), RecordRef::new("contacts", contact), RecordRef::new("leads", lead)];
    let reach = fake.engine.reach(&connection, &Access::Own, Lane::Live);
    let fetched = connection.connector.fetch(reach, &records).await.unwrap();
    let snapshots: Vec<_> = fetched
        .into_iter()
        .map(|fetched| match fetched {
            Fetched::Whole(snapshot) => *snapshot,
            other => panic!("{other:?}"),
        })
        .collect();
    let (operation, entries) = fake.delete(snapshots).await;
    for record in &records {
        post(
            &upstream,
            "/_mock/ui/delete",
            json!({"object": record.object, "ids": [record.id.parse::<u64>().unwrap()], "user_id": 1}),
        )
        .await;
    }
    let plan = fake.plan(&entries).await.unwrap();
    assert_eq!((plan.counts[&What::Recreate], plan.losses.len()), (4, 0), "{:?}", plan.losses);
    let job = fake.restore(&entries).await;
    assert_eq!(job.state, JobState::Done);
    let report = job.report.expect("at the end");
    assert_eq!((report.compared, report.differences), (3, Vec::new()));
    let operation = fake.store.operation(operation).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Undone);
}
