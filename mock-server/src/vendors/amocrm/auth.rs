//! Bearer tokens (§1.2).

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::request::Request;
use crate::world::World;
use crate::world::base::ADMIN;

#[derive(Clone, Debug)]
pub struct Token {
    pub integration: String,
    pub user: u64,
    /// On the account's clock; `None` is a long-lived token.
    pub expires_at: Option<i64>,
    pub revoked: bool,
}

#[derive(Debug, Default)]
pub struct Tokens {
    access: BTreeMap<String, Token>,
}

impl Tokens {
    pub fn long_lived(tokens: &[(String, String)]) -> Self {
        let row = |(integration, token): &(String, String)| {
            let access = Token { integration: integration.clone(), user: ADMIN, expires_at: None, revoked: false };
            (token.clone(), access)
        };
        Self { access: tokens.iter().map(row).collect() }
    }

    /// Whose budget a request uses, even if its token is no longer good.
    pub fn integration(&self, request: &Request) -> Option<&str> {
        self.access.get(request.bearer()?).map(|token| token.integration.as_str())
    }

    /// The user the request acts for.
    pub fn authenticate(&self, request: &Request, world: &World) -> Result<u64, Answer> {
        let refused = |detail| Answer::problem(StatusCode::UNAUTHORIZED, detail);
        let token = request.bearer().and_then(|token| self.access.get(token));
        let token = token.ok_or_else(|| refused("Токен доступа не найден или недействителен"))?;
        if token.revoked {
            return Err(refused("Token has been revoked"));
        }
        if token.expires_at.is_some_and(|at| world.clock.now() >= at) {
            return Err(refused("Token has expired"));
        }
        let Some(named) = request.header("x-context-user-id") else { return Ok(token.user) };
        // An administrator's token may act with another user's rights; an unknown or free user is refused (§1.2).
        let administers = world.users.get(&token.user).is_some_and(|user| user.admin);
        let context = named.trim().parse().ok().filter(|_| administers);
        let usable = |id: &u64| world.users.get(id).is_some_and(|user| user.active && !user.free);
        context.filter(usable).ok_or_else(|| refused("Context user is not available"))
    }

    pub fn shown(&self) -> Value {
        let mut integrations: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (token, row) in &self.access {
            integrations.entry(&row.integration).or_default().push(json!({
                "token": token, "user_id": row.user, "expires_at": row.expires_at, "revoked": row.revoked,
            }));
        }
        let rows = integrations.into_iter().map(|(name, tokens)| json!({"integration": name, "tokens": tokens}));
        Value::Array(rows.collect())
    }
}
