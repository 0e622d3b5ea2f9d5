//! A CRM for single odd answers: it shows contact 5 and nothing else, and every other verb is for the test to say.

use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub async fn crm_of_one_contact() -> MockServer {
    let crm = MockServer::start().await;
    let row = json!({"id": 5, "name": "Anna", "created_at": 1, "updated_at": 1, "created_by": 1, "is_deleted": false});
    let rows = json!({"_page": 1, "_links": {}, "_embedded": {"contacts": [row.clone()]}});
    let get = |at: &str| Mock::given(method("GET")).and(path(at.to_owned()));
    get("/api/v4/contacts").respond_with(ResponseTemplate::new(200).set_body_json(rows)).mount(&crm).await;
    get("/api/v4/contacts/5").respond_with(ResponseTemplate::new(200).set_body_json(row)).mount(&crm).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(204)).with_priority(9).mount(&crm).await;
    crm
}
