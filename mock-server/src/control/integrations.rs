//! What an administrator does in the CRM's window of integrations: consent, switching off and on.

use serde_json::{Value, json};

use super::Reply;
use crate::state::State;
use crate::vendors::amocrm::auth::CODE_SECONDS;
use crate::world::base::ADMIN;

fn name(body: &Value) -> Result<&str, String> {
    let name = body.get("integration").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.ok_or_else(|| "integration is its name".to_owned())
}

/// `{integration, user_id, redirect_uri}`: the consent page, answered with yes. An unknown integration is made.
pub fn mint(state: &State, body: &Value) -> Reply {
    let name = name(body)?;
    let redirect_uri = body.get("redirect_uri").and_then(Value::as_str);
    let user = body.get("user_id").and_then(Value::as_u64).unwrap_or(ADMIN);
    let mut account = state.account();
    if !account.world.users.get(&user).is_some_and(|user| user.active) {
        return Err(format!("user {user} is not there or not active"));
    }
    let (code, now) = (format!("def502{}", account.world.new_uuid().replace('-', "")), account.world.clock.now());
    let client = account.tokens.consent(name, user, &code, redirect_uri, now);
    Ok(json!({
        "code": code,
        "client_id": client.id,
        "client_secret": client.secret,
        "redirect_uri": client.redirect_uri,
        "expires_at": now + CODE_SECONDS,
    }))
}

/// `{integration, enabled}`: switching off revokes all its tokens; switching on brings back the long-lived ones.
pub fn set(state: &State, body: &Value) -> Reply {
    let name = name(body)?;
    let enabled = body.get("enabled").and_then(Value::as_bool).ok_or("enabled is true or false")?;
    let mut account = state.account();
    if !account.tokens.switch(name, enabled) {
        return Err(format!("there is no integration {name}; GET /_mock/integrations lists them"));
    }
    Ok(json!({"integrations": account.tokens.shown()}))
}
