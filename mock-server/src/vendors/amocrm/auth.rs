//! Bearer tokens, and the integrations they belong to (§1.2).

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::request::Request;
use crate::uuids;
use crate::world::World;
use crate::world::base::ADMIN;

pub const CODE_SECONDS: i64 = 20 * 60;
/// Three months.
const REFRESH_SECONDS: i64 = 90 * 86_400;

const REDIRECT_URI: &str = "https://integration.example/callback";

#[derive(Clone, Debug)]
pub struct Token {
    pub integration: String,
    pub user: u64,
    /// On the account's clock; `None` is a long-lived token.
    pub expires_at: Option<i64>,
    pub revoked: bool,
}

/// What an integration proves itself with.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub redirect_uri: String,
    pub enabled: bool,
}

/// An authorization code or a refresh token: good once.
#[derive(Clone, Debug)]
struct Grant {
    integration: String,
    user: u64,
    expires_at: i64,
    used: bool,
    /// The access token that a refresh replaces.
    access: Option<String>,
}

/// Who a grant was for.
#[derive(Debug)]
pub struct Granted {
    pub integration: String,
    pub user: u64,
}

#[derive(Debug, Default)]
pub struct Tokens {
    clients: BTreeMap<String, Client>,
    access: BTreeMap<String, Token>,
    codes: BTreeMap<String, Grant>,
    refresh: BTreeMap<String, Grant>,
}

impl Client {
    fn of(name: &str) -> Self {
        let secret = uuids::of_name(&format!("secret of {name}")).replace('-', "");
        Self { id: uuids::of_name(name), secret, redirect_uri: REDIRECT_URI.to_owned(), enabled: true }
    }
}

impl Tokens {
    pub fn long_lived(tokens: &[(String, String)]) -> Self {
        let row = |(integration, token): &(String, String)| {
            let access = Token { integration: integration.clone(), user: ADMIN, expires_at: None, revoked: false };
            (token.clone(), access)
        };
        let clients = tokens.iter().map(|(name, _)| (name.clone(), Client::of(name))).collect();
        Self { clients, access: tokens.iter().map(row).collect(), ..Self::default() }
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

    /// A person lets an integration in: from now on `code` can be exchanged once.
    pub fn consent(&mut self, name: &str, user: u64, code: &str, redirect_uri: Option<&str>, now: i64) -> Client {
        let client = self.clients.entry(name.to_owned()).or_insert_with(|| Client::of(name));
        client.enabled = true;
        client.redirect_uri = redirect_uri.unwrap_or(&client.redirect_uri).to_owned();
        let (integration, expires_at) = (name.to_owned(), now + CODE_SECONDS);
        self.codes.insert(code.to_owned(), Grant { integration, user, expires_at, used: false, access: None });
        client.clone()
    }

    /// The enabled integration that proved itself.
    pub fn client(&self, id: &str, secret: &str) -> Option<(&str, &Client)> {
        let proves = |client: &Client| client.id == id && client.secret == secret && client.enabled;
        self.clients.iter().find(|(_, client)| proves(client)).map(|(name, client)| (name.as_str(), client))
    }

    /// Uses a code up; the error is amoCRM's hint.
    pub fn use_code(&mut self, integration: &str, code: &str, now: i64) -> Result<Granted, &'static str> {
        let grant = self.codes.get_mut(code).filter(|grant| grant.integration == integration);
        let grant = grant.ok_or("Cannot decrypt the authorization code")?;
        if grant.used {
            return Err("Authorization code has been revoked");
        }
        if now >= grant.expires_at {
            return Err("Authorization code has expired");
        }
        grant.used = true;
        Ok(Granted { integration: grant.integration.clone(), user: grant.user })
    }

    /// Uses a refresh token up; `revoke` takes away the access token it came with.
    pub fn use_refresh(&mut self, integration: &str, token: &str, now: i64, revoke: bool) -> Option<Granted> {
        let usable = |grant: &&mut Grant| grant.integration == integration && !grant.used && now < grant.expires_at;
        let grant = self.refresh.get_mut(token).filter(usable)?;
        grant.used = true;
        let old = grant.access.as_ref().filter(|_| revoke);
        if let Some(access) = old.and_then(|access| self.access.get_mut(access)) {
            access.revoked = true;
        }
        Some(Granted { integration: grant.integration.clone(), user: grant.user })
    }

    /// Whether a refresh token could still be used.
    pub fn knows_refresh(&self, token: &str, now: i64) -> bool {
        self.refresh.get(token).is_some_and(|grant| !grant.used && now < grant.expires_at)
    }

    pub fn give(&mut self, to: &Granted, access: &str, refresh: &str, now: i64, lives: i64) {
        let (integration, user) = (to.integration.clone(), to.user);
        let expires_at = Some(now + lives);
        let token = Token { integration: integration.clone(), user, expires_at, revoked: false };
        self.access.insert(access.to_owned(), token);
        let (expires_at, access) = (now + REFRESH_SECONDS, Some(access.to_owned()));
        self.refresh.insert(refresh.to_owned(), Grant { integration, user, expires_at, used: false, access });
    }

    /// Switches an integration off, with all its tokens, or on again; says whether there is one.
    pub fn switch(&mut self, name: &str, enabled: bool) -> bool {
        let Some(client) = self.clients.get_mut(name) else { return false };
        client.enabled = enabled;
        for token in self.access.values_mut().filter(|token| token.integration == name) {
            // What came from a consent needs a new one.
            token.revoked = !enabled || token.expires_at.is_some();
        }
        for grants in [&mut self.codes, &mut self.refresh] {
            grants.retain(|_, grant| grant.integration != name);
        }
        true
    }

    pub fn shown(&self) -> Value {
        let tokens = |name: &str| -> Value {
            let rows = self.access.iter().filter(|(_, row)| row.integration == name).map(|(token, row)| {
                json!({
                    "token": token, "user_id": row.user, "expires_at": row.expires_at, "revoked": row.revoked,
                })
            });
            rows.collect()
        };
        let rows = self.clients.iter().map(|(name, client)| {
            json!({
                "integration": name,
                "enabled": client.enabled,
                "client_id": client.id,
                "client_secret": client.secret,
                "redirect_uri": client.redirect_uri,
                "tokens": tokens(name),
            })
        });
        rows.collect()
    }
}
