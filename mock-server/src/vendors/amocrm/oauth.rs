//! OAuth 2.0: codes and refresh tokens for access tokens (§1.2).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::auth::Granted;
use super::hal::{no_method, no_route};
use crate::answer::Answer;
use crate::request::Request;
use crate::state::Account;
use crate::world::ACCOUNT_ID;

pub fn route(account: &mut Account, request: &Request, path: &[&str]) -> Answer {
    match path {
        ["access_token"] if request.method == Method::POST => exchange(account, request),
        ["account", "current", "subdomain"] if request.method == Method::GET => subdomain(account, request),
        ["access_token"] | ["account", "current", "subdomain"] => no_method(),
        _ => no_route(request),
    }
}

/// HTTP 400 in the shape of version 3.
fn refused(hint: Option<&str>) -> Answer {
    let mut body = json!({});
    if let Some(hint) = hint {
        body["hint"] = json!(hint);
    }
    body["title"] = json!("Некорректный запрос");
    body["type"] = json!("https://developers.amocrm.ru/v3/errors/OAuthProblemJson");
    body["status"] = json!(400);
    body["detail"] = json!("В запросе отсутствует ряд параметров или параметры невалидны");
    Answer::problem_body(StatusCode::BAD_REQUEST, &body)
}

fn exchange(account: &mut Account, request: &Request) -> Answer {
    let body = super::php::body(request, true);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let Some((name, client)) = account.tokens.client(text("client_id"), text("client_secret")) else {
        return refused(None);
    };
    if client.redirect_uri != text("redirect_uri") {
        return refused(None);
    }
    let (name, client_id) = (name.to_owned(), client.id.clone());
    let now = account.world.clock.now();
    let granted = match text("grant_type") {
        "authorization_code" => account.tokens.use_code(&name, text("code"), now),
        "refresh_token" => {
            let revoke = account.world.switches.is("old_access_after_refresh", "revoked");
            let granted = account.tokens.use_refresh(&name, text("refresh_token"), now, revoke);
            granted.ok_or("Invalid refresh token")
        }
        _ => return refused(None),
    };
    match granted {
        Ok(granted) => pair(account, request, &client_id, &granted),
        Err(hint) => refused(Some(hint)),
    }
}

fn pair(account: &mut Account, request: &Request, client_id: &str, to: &Granted) -> Answer {
    let now = account.world.clock.now();
    let lives = i64::try_from(account.world.switches.number("access_token_seconds")).unwrap_or(86_400);
    let claims = json!({
        "aud": client_id,
        "jti": account.world.new_uuid(),
        "iat": now,
        "nbf": now,
        "exp": now + lives,
        "sub": to.user.to_string(),
        "grant_type": "",
        "account_id": ACCOUNT_ID,
        "base_domain": "amocrm.ru",
        "version": 2,
        "scopes": ["crm", "files", "files_delete", "notifications"],
        "api_domain": request.header("host").unwrap_or("api-b.amocrm.ru"),
    });
    let part = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (head, signature) = (r#"{"typ":"JWT","alg":"RS256"}"#.to_owned(), account.world.new_uuid());
    let access = format!("{}.{}.{}", part(head), part(claims.to_string()), part(signature));
    let refresh = format!("def502{}{}", account.world.new_uuid(), account.world.new_uuid()).replace('-', "");
    account.tokens.give(to, &access, &refresh, now, lives);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": lives,
        "server_time": now,
        "access_token": access,
        "refresh_token": refresh,
    });
    Answer::json(StatusCode::OK, &body)
}

/// Where the account lives now, for those who hold a refresh token.
fn subdomain(account: &Account, request: &Request) -> Answer {
    let token = request.header("x-refresh-token").unwrap_or_default();
    if !account.tokens.knows_refresh(token, account.world.clock.now()) {
        return Answer::problem(StatusCode::UNAUTHORIZED, "Refresh token is not valid");
    }
    let body = json!({"id": ACCOUNT_ID, "subdomain": "acme", "domain": "acme.amocrm.ru", "top_level_domain": "ru"});
    Answer::json(StatusCode::OK, &body)
}
