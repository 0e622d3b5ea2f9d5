//! The drive: parts, the trash, and the way back.

use serde_json::{Value, json};

use crate::crm::Crm;

async fn upload(crm: &Crm, name: &str, size: usize) -> Value {
    let order = json!({"file_name": name, "file_size": size, "content_type": "application/pdf"});
    let session = crm.call("POST", "/v1.0/sessions", order).await.ok(200);
    let mut url = session["upload_url"].as_str().expect("as documented").to_owned();
    let largest = usize::try_from(session["max_part_size"].as_u64().expect("as documented")).expect("as documented");
    let mut left = size;
    loop {
        let part = left.min(largest);
        left -= part;
        let answer = crm.send("POST", &url, &[("authorization", "Bearer demo-token")], vec![b'x'; part]).await.ok(200);
        match answer["next_url"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => return answer,
        }
    }
}

#[tokio::test]
async fn a_file_comes_in_parts_and_comes_back_from_the_trash_with_its_uuid() {
    let crm = Crm::start().await;
    let account = crm.get("/api/v4/account?with=drive_url").await.ok(200);
    assert_eq!(account["drive_url"], crm.server.url());
    let file = upload(&crm, "Договор.pdf", 600_000).await;
    assert_eq!((&file["size"], &file["type"]), (&json!(600_000), &json!("document")));
    let uuid = file["uuid"].as_str().unwrap().to_owned();
    let content = crm.get(file["_links"]["download"]["href"].as_str().unwrap()).await;
    assert_eq!((content.text.len(), content.content_type.as_str()), (600_000, "application/pdf"));

    let lead = crm.make("leads", json!({"name": "L"})).await;
    let of_lead = format!("/api/v4/leads/{lead}/files");
    assert_eq!(crm.get(&of_lead).await.status, 204);
    assert_eq!(crm.call("PUT", &of_lead, json!([{"file_uuid": uuid}])).await.status, 202);
    assert_eq!(crm.get(&of_lead).await.ok(200)["_embedded"]["files"][0]["file_uuid"], json!(uuid));
    let value = json!([{"name": "M", "custom_fields_values": [
        {"field_id": 658, "values": [{"value": {"file_uuid": uuid, "file_name": "Договор.pdf"}}]}]}]);
    assert_eq!(crm.call("POST", "/api/v4/leads", value.clone()).await.status, 200);

    assert_eq!(crm.call("DELETE", "/v1.0/files", json!([{"uuid": uuid}])).await.status, 204);
    assert_eq!(crm.get(&of_lead).await.status, 204);
    assert_eq!(crm.call("POST", "/api/v4/leads", value.clone()).await.status, 400);
    assert_eq!(crm.get(&format!("/v1.0/files?filter[uuid]={uuid}")).await.status, 204);
    let trash = crm.get("/v1.0/files?filter[deleted]=1").await.ok(200);
    assert_eq!(trash["_embedded"]["files"][0]["is_trashed"], true);
    let back = crm.call("POST", "/v1.0/files/restore", json!([{"uuid": uuid}])).await.ok(200);
    assert_eq!(back["_embedded"]["files"][0]["uuid"], json!(uuid));
    assert_eq!(crm.get(&of_lead).await.status, 200);
    assert_eq!(crm.call("DELETE", &of_lead, json!([{"file_uuid": uuid}])).await.status, 202);
    assert_eq!(crm.get(&of_lead).await.status, 204);
}

#[tokio::test]
async fn the_trash_is_purged_after_thirty_days() {
    let crm = Crm::start().await;
    let uuid = upload(&crm, "a.pdf", 10).await["uuid"].clone();
    assert_eq!(crm.call("DELETE", "/v1.0/files", json!([{"uuid": uuid}])).await.status, 204);
    crm.mock("POST", "clock", json!({"advance_seconds": 29 * 86_400})).await;
    assert_eq!(crm.get("/v1.0/files?filter[deleted]=1").await.status, 200);
    crm.mock("POST", "clock", json!({"advance_seconds": 2 * 86_400})).await;
    assert_eq!(crm.get("/v1.0/files?filter[deleted]=1").await.status, 204);
    assert_eq!(crm.call("POST", "/v1.0/files/restore", json!([{"uuid": uuid}])).await.status, 404);
}
