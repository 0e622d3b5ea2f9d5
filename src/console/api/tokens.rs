//! Who may use the console.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id, stamp};
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::body;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::engine::access::Token;

/// Everybody who has or had access.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Tokens {
    tokens: Vec<Row>,
    /// Always null: the list is short and comes whole.
    next: Option<String>,
}

/// One token; never its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct Row {
    id: String,
    person: String,
    /// `viewer`, `operator`, `admin` or `privacy`.
    role: String,
    #[schema(format = DateTime)]
    issued_at: String,
    issued_by: String,
    /// Null while it may be used.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl From<Token> for Row {
    fn from(token: Token) -> Self {
        Self {
            id: token.identity.token.to_string(),
            person: token.identity.person,
            role: token.identity.role.to_string(),
            issued_at: stamp(token.issued_at),
            issued_by: token.issued_by,
            revoked_at: token.revoked_at.map(stamp),
        }
    }
}

/// Who gets access, and how much.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct NewToken {
    person: String,
    /// `viewer`, `operator`, `admin` or `privacy`.
    role: String,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Issued {
    #[serde(flatten)]
    row: Row,
    /// The secret. It is shown this once.
    token: String,
}

/// Every token ever issued, oldest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", responses((status = 200, body = Tokens)))]
pub(in crate::console) async fn list(State(console): State<Console>) -> Result<Json<Tokens>, Problem> {
    let tokens = console.engine.tokens().await?.into_iter().map(Row::from).collect();
    Ok(Json(Tokens { tokens, next: None }))
}

/// Gives a person access. The answer holds the secret; nothing else ever does.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = Issued), (status = 400, body = ProblemBody)))]
pub(in crate::console) async fn create(
    State(console): State<Console>,
    Caller(caller): Caller,
    body::Json(new): body::Json<NewToken>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    let (token, secret) = console.engine.issue_token(new.role.parse()?, &new.person, &caller.person).await?;
    Ok((StatusCode::CREATED, Json(Issued { row: token.into(), token: secret })))
}

/// Takes access back, at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path)),
    responses((status = 204, description = "Revoked"), (status = 404, body = ProblemBody),
        (status = 409, description = "It is revoked already, or the last administrator's", body = ProblemBody)))]
pub(in crate::console) async fn revoke(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(text): Path<String>,
) -> Result<StatusCode, Problem> {
    console.engine.revoke_token(id("token", &text)?, &caller.person).await?;
    Ok(StatusCode::NO_CONTENT)
}
