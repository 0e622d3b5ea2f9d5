//! Tokens that expire, rotate and are taken away.

use serde_json::{Value, json};

use crate::crm::{Crm, Reply};

struct Client {
    id: String,
    secret: String,
    redirect_uri: String,
}

async fn consent(crm: &Crm) -> (Client, String) {
    let order = json!({"integration": "widget", "redirect_uri": "https://undo.example/cb"});
    let minted = crm.mock("POST", "oauth/code", order).await;
    let text = |key: &str| minted[key].as_str().expect("a text").to_owned();
    let client = Client { id: text("client_id"), secret: text("client_secret"), redirect_uri: text("redirect_uri") };
    (client, text("code"))
}

async fn exchange(crm: &Crm, client: &Client, grant: &str, key: &str, value: &str) -> Reply {
    let body = json!({"client_id": client.id, "client_secret": client.secret, "grant_type": grant, key: value,
        "redirect_uri": client.redirect_uri});
    let headers = [("content-type", "application/json")];
    crm.send("POST", "/oauth2/access_token", &headers, body.to_string()).await
}

async fn code(crm: &Crm, client: &Client, code: &str) -> Reply {
    exchange(crm, client, "authorization_code", "code", code).await
}

async fn refresh(crm: &Crm, client: &Client, token: &Value) -> Reply {
    exchange(crm, client, "refresh_token", "refresh_token", token.as_str().unwrap_or_default()).await
}

async fn works(crm: &Crm, token: &Value) -> u16 {
    let bearer = format!("Bearer {}", token.as_str().unwrap_or_default());
    crm.send("GET", "/api/v4/account", &[("authorization", bearer.as_str())], "").await.status
}

#[tokio::test]
async fn a_code_and_a_refresh_token_are_good_once() {
    let crm = Crm::start().await;
    let (client, minted) = consent(&crm).await;
    let first = code(&crm, &client, &minted).await.ok(200);
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(86_400)));
    assert_eq!(first["access_token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(works(&crm, &first["access_token"]).await, 200);
    let again = code(&crm, &client, &minted).await;
    assert_eq!(again.content_type, "application/problem+json");
    let again = again.ok(400);
    assert_eq!(again["hint"], "Authorization code has been revoked");
    assert_eq!(again["type"], "https://developers.amocrm.ru/v3/errors/OAuthProblemJson");

    let second = refresh(&crm, &client, &first["refresh_token"]).await.ok(200);
    assert_eq!(works(&crm, &second["access_token"]).await, 200);
    assert_eq!(works(&crm, &first["access_token"]).await, 401);
    let reused = refresh(&crm, &client, &first["refresh_token"]).await.ok(400);
    assert_eq!(reused["hint"], "Invalid refresh token");
    refresh(&crm, &client, &second["refresh_token"]).await.ok(200);
}

#[tokio::test]
async fn codes_and_tokens_expire_by_the_accounts_clock() {
    let crm = Crm::start().await;
    let (client, minted) = consent(&crm).await;
    crm.mock("POST", "clock", json!({"advance_seconds": 20 * 60})).await;
    assert_eq!(code(&crm, &client, &minted).await.ok(400)["hint"], "Authorization code has expired");
    let (client, minted) = consent(&crm).await;
    let pair = code(&crm, &client, &minted).await.ok(200);
    crm.mock("POST", "clock", json!({"advance_seconds": 86_399 - 60})).await;
    assert_eq!(works(&crm, &pair["access_token"]).await, 200);
    crm.mock("POST", "clock", json!({"advance_seconds": 61})).await;
    assert_eq!(works(&crm, &pair["access_token"]).await, 401);
    let pair = refresh(&crm, &client, &pair["refresh_token"]).await.ok(200);
    assert_eq!(works(&crm, &pair["access_token"]).await, 200);
    crm.mock("POST", "clock", json!({"advance_seconds": 91 * 86_400})).await;
    refresh(&crm, &client, &pair["refresh_token"]).await.ok(400);
}

#[tokio::test]
async fn an_integration_that_is_switched_off_needs_a_new_consent() {
    let crm = Crm::start().await;
    let (client, minted) = consent(&crm).await;
    let pair = code(&crm, &client, &minted).await.ok(200);
    let domain = |token: String| {
        let crm = &crm;
        async move { crm.send("GET", "/oauth2/account/current/subdomain", &[("x-refresh-token", token.as_str())], "").await }
    };
    let token = pair["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(domain(token.clone()).await.ok(200)["subdomain"], "acme");
    crm.mock("POST", "integrations", json!({"integration": "widget", "enabled": false})).await;
    assert_eq!(works(&crm, &pair["access_token"]).await, 401);
    assert_eq!(domain(token).await.status, 401);
    refresh(&crm, &client, &pair["refresh_token"]).await.ok(400);
    crm.mock("POST", "integrations", json!({"integration": "widget", "enabled": true})).await;
    assert_eq!(works(&crm, &pair["access_token"]).await, 401);
    assert_eq!(works(&crm, &json!("demo-token")).await, 200);
    let (client, minted) = consent(&crm).await;
    code(&crm, &client, &minted).await.ok(200);
}

#[tokio::test]
async fn another_redirect_or_secret_is_refused() {
    let crm = Crm::start().await;
    let (client, minted) = consent(&crm).await;
    let wrong = Client { redirect_uri: "https://undo.example/".to_owned(), ..client };
    code(&crm, &wrong, &minted).await.ok(400);
    let wrong = Client { redirect_uri: "https://undo.example/cb".to_owned(), secret: "x".to_owned(), ..wrong };
    code(&crm, &wrong, &minted).await.ok(400);
    let (client, _) = consent(&crm).await;
    code(&crm, &client, &minted).await.ok(200);
}
