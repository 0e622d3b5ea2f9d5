//! Who is asking. A token comes in the `Authorization` header and nowhere else: addresses end up in logs.

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::Console;
use super::problem::Problem;
use crate::engine::access::{Identity, Role};
use crate::proofs::bite;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Everybody who can reach the listener: probes and scrapers.
    Anyone,
    /// Holders of a token whose role may do what this one may.
    AtLeast(Role),
}

/// The holder of the request's token, for handlers of routes that need one.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Identity);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only `admit` puts one there. Without it the route list is wrong, and the door stays shut.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::internal(&"a route needs a caller and admits anyone"))
    }
}

/// Lets the request in, or says why not.
pub(super) async fn admit(console: &Console, who: Who, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let Who::AtLeast(needed) = who else { return Ok(None) };
    let Some(secret) = bearer(headers)? else {
        return Err(unauthorized("this call needs a token", "Bearer realm=\"crm-undo\""));
    };
    let Some(identity) = console.engine.verify(secret).await? else {
        return Err(unauthorized(
            "this token is not known, or was revoked",
            "Bearer realm=\"crm-undo\", error=\"invalid_token\"",
        ));
    };
    if !identity.role.may(needed) && !bite("self_grant") {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("this call needs the role {needed}, and this token has the role {}", identity.role),
        )
        .hint("ask an administrator for a token with that role"));
    }
    Ok(Some(Caller(identity)))
}

/// The secret of `Authorization: Bearer …`; `None` if there is no such header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let malformed = || {
        unauthorized(
            "the Authorization header has to be `Bearer` and one token, once",
            "Bearer realm=\"crm-undo\", error=\"invalid_request\"",
        )
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let (scheme, secret) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    let secret = secret.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || secret.is_empty() || secret.contains(' ') {
        return Err(malformed());
    }
    Ok(Some(secret))
}

fn unauthorized(detail: &str, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        .hint("send `Authorization: Bearer cu_…`; `crm-undo token create` makes a token")
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
