//! Filters that a CRM takes and ignores, against a CRM of canned answers.

use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::hanging::{What, hanging};
use super::world::{bounded, refs};
use crate::crm::upstream::{Upstream, UpstreamConfig};
use crate::crm::{Access, Lane, Presence, Reach};

fn upstream(server: &MockServer) -> Upstream {
    let base = server.uri().parse().expect("an address");
    let token = Some("t".to_owned().into());
    Upstream::new(UpstreamConfig { token, requests_per_second: 0, ..UpstreamConfig::new(base) }).expect("usable")
}

fn reach(upstream: &Upstream) -> Reach<'_> {
    let now = jiff::Timestamp::UNIX_EPOCH;
    Reach { upstream, access: &Access::Own, lane: Lane::Live, now, connection: "acme" }
}

#[allow(clippy::needless_pass_by_value)] // a literal reads better than a reference to one
fn rows(key: &str, rows: Value) -> ResponseTemplate {
    let links = json!({"next": {"href": "https://elsewhere.invalid/"}});
    ResponseTemplate::new(200).set_body_json(json!({"_links": links, "_embedded": {key: rows}}))
}

#[allow(clippy::needless_pass_by_value)] // as above
fn last(key: &str, rows: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"_links": {}, "_embedded": {key: rows}}))
}

#[tokio::test]
async fn notes_and_links_of_others_send_us_to_each_card() {
    bounded(async {
        let server = MockServer::start().await;
        let foreign = json!([{"id": 1, "entity_id": 5}, {"id": 2, "entity_id": 77}]);
        let get = |at: &str, answer: ResponseTemplate| Mock::given(method("GET")).and(path(at)).respond_with(answer);
        get("/api/v4/contacts/notes", rows("notes", foreign.clone())).expect(1).mount(&server).await;
        get("/api/v4/contacts/5/notes", last("notes", json!([{"id": 1, "entity_id": 5}]))).mount(&server).await;
        get("/api/v4/contacts/6/notes", ResponseTemplate::new(204)).mount(&server).await;
        get("/api/v4/contacts/links", rows("links", json!([{"to_entity_id": 1, "to_entity_type": "leads"}])))
            .mount(&server)
            .await;
        let link = json!([{"to_entity_id": 1, "to_entity_type": "leads"}]);
        get("/api/v4/contacts/5/links", last("links", link)).mount(&server).await;
        get("/api/v4/contacts/6/links", last("links", json!([]))).mount(&server).await;
        get("/api/v4/tasks", rows("tasks", json!([{"id": 9, "entity_id": 5, "entity_type": "leads"}])))
            .expect(1)
            .mount(&server)
            .await;
        let upstream = upstream(&server);
        for what in [What::Notes, What::Links] {
            let hung = hanging(reach(&upstream), what, "contacts", &[5, 6]).await.expect("an answer");
            let count = |id: u64| hung[&id].as_ref().map(Vec::len);
            assert_eq!((count(5), count(6)), (Ok(1), Ok(0)), "{what:?}");
        }
        let tasks = hanging(reach(&upstream), What::Tasks, "contacts", &[5, 6]).await.expect("an answer");
        assert!(tasks.values().all(Result::is_err), "there is no other list of tasks: {tasks:?}");
    })
    .await;
}

#[tokio::test]
async fn a_living_row_is_no_proof_of_the_bin() {
    bounded(async {
        let server = MockServer::start().await;
        let living = |id: u64| json!({"id": id, "name": "Anna", "created_at": 1, "created_by": 1, "is_deleted": false});
        let ids: Vec<u64> = (1..=5).collect();
        // The bin is not understood: `only_deleted` shows the living, which the list itself did not show yet.
        Mock::given(method("GET"))
            .and(path("/api/v4/contacts"))
            .and(query_param("with", "only_deleted"))
            .respond_with(last("contacts", ids.iter().map(|id| living(*id)).collect()))
            .with_priority(1)
            .mount(&server)
            .await;
        Mock::given(path("/api/v4/contacts")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
        for id in &ids {
            let answer = ResponseTemplate::new(200).set_body_json(living(*id));
            Mock::given(path(format!("/api/v4/contacts/{id}"))).respond_with(answer).mount(&server).await;
        }
        let upstream = upstream(&server);
        let seen = super::super::presence(reach(&upstream), &refs("contacts", &ids)).await.expect("an answer");
        assert_eq!(seen, [Presence::Alive; 5]);
    })
    .await;
}

#[tokio::test]
async fn a_count_that_differs_is_believed_over_the_rows() {
    bounded(async {
        let server = MockServer::start().await;
        let body = json!({"_total_items": 2, "_embedded": {"links": [
            {"entity_id": 5, "to_entity_id": 1, "to_entity_type": "leads"}]}});
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(path("/api/v4/contacts/links")).respond_with(answer).mount(&server).await;
        let upstream = upstream(&server);
        let hung = hanging(reach(&upstream), What::Links, "contacts", &[5]).await.expect("an answer");
        assert!(hung[&5].is_err(), "{hung:?}");
    })
    .await;
}

#[tokio::test]
async fn a_list_that_ignores_its_order_is_read_to_its_end() {
    bounded(async {
        let server = MockServer::start().await;
        // From both ends the same page comes first; the last ten rows are on the second.
        let task = |id: u64| json!({"id": id, "entity_id": 5, "entity_type": "contacts"});
        for (page, ids) in [("1", 1..=250), ("2", 251..=260)] {
            Mock::given(path("/api/v4/tasks"))
                .and(query_param("page", page))
                .respond_with(last("tasks", ids.map(task).collect()))
                .mount(&server)
                .await;
        }
        let upstream = upstream(&server);
        let hung = hanging(reach(&upstream), What::Tasks, "contacts", &[5]).await.expect("an answer");
        assert_eq!(hung[&5].as_ref().map(Vec::len), Ok(260));
    })
    .await;
}
