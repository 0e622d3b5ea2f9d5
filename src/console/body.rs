//! Request bodies: JSON, bounded in size and time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::params::expected;
use super::problem::Problem;

/// Far above any honest call: 10,000 entry ids are 400 KB.
const MOST: usize = 1 << 20;
/// A body that takes longer is a client that died, or worse.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole body, or why not.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("the body has more than {MOST} bytes"))
            .hint("split the call into several")
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > MOST) {
        return Err(too_large());
    }
    match tokio::time::timeout(PATIENCE, to_bytes(body, MOST)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body_cut", "the body ended before its end")
            .hint("repeat the call; nothing was done")),
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not arrive in 30 seconds")
                .hint("repeat the call; nothing was done"))
        }
    }
}

fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// A JSON body. Unknown fields are refused by name: a misspelled option that is ignored does the wrong thing.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let declared = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "this call takes a JSON body and says so in Content-Type",
            )
            .hint("send `Content-Type: application/json`"));
        }
        let bytes = read(&parts.headers, body).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail = format!("the body cannot be understood at line {line}, column {column}: {}", expected(&error));
            Problem::new(StatusCode::BAD_REQUEST, "bad_body", detail)
                .hint("/api/openapi.json shows what this call takes")
        })
    }
}
