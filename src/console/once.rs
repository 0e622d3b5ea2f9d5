//! Writes: each runs in a task of its own, so that a client that leaves does not cut it, and a repeat with the same
//! `Idempotency-Key` gets the first result instead of a second effect.
//!
//! Results lie in memory for 24 hours. A restart forgets them; that is bearable because nothing here makes a second
//! copy when repeated: a plan is only a proposal, and a plan is applied once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::auth::Caller;
use super::body;
use super::problem::Problem;
use crate::domain::ids::TokenId;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEPT_FOR: Duration = Duration::from_hours(24);
/// Above this, the oldest results go first. A key and a plan of a few hundred records are some 100 KB.
const MOST_BYTES: usize = 64 << 20;
const MOST_KEYS: usize = 10_000;

type Name = (TokenId, String);

/// Results by key and token: two people may use the same key.
#[derive(Debug, Default)]
pub(super) struct Results {
    by_name: std::sync::Mutex<HashMap<Name, Kept>>,
}

#[derive(Debug)]
struct Kept {
    since: Instant,
    bytes: usize,
    slot: Arc<Mutex<Option<First>>>,
}

/// The first request under a key, and what became of it.
#[derive(Clone, Debug)]
struct First {
    request: blake3::Hash,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Results {
    /// The slot of a key. Whoever holds its lock is the one who carries the request out.
    fn slot(&self, name: &Name) -> Arc<Mutex<Option<First>>> {
        let mut all = self.by_name.lock().expect("nothing panics while it holds this lock");
        let now = Instant::now();
        all.retain(|_, kept| now.duration_since(kept.since) < KEPT_FOR);
        while all.len() >= MOST_KEYS || all.values().map(|kept| kept.bytes).sum::<usize>() > MOST_BYTES {
            let Some(oldest) = all.iter().min_by_key(|(_, kept)| kept.since).map(|(name, _)| name.clone()) else {
                break;
            };
            all.remove(&oldest);
        }
        let fresh = || Kept { since: now, bytes: 0, slot: Arc::default() };
        all.entry(name.clone()).or_insert_with(fresh).slot.clone()
    }

    fn kept(&self, name: &Name, bytes: usize) {
        if let Some(kept) = self.by_name.lock().expect("nothing panics while it holds this lock").get_mut(name) {
            kept.bytes = bytes;
        }
    }
}

/// Carries a write out, once per key.
pub(super) async fn carry_out(results: Arc<Results>, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key_of(request.headers())?;
    let caller = request.extensions().get::<Caller>().map(|caller| caller.0.token);
    let (parts, incoming) = request.into_parts();
    let bytes = body::read(&parts.headers, incoming).await?;
    let fingerprint = fingerprint(&parts, &bytes);
    let request = Request::from_parts(parts, Body::from(bytes));
    let task = tokio::spawn(async move {
        match (key, caller) {
            (Some(key), Some(token)) => once(&results, (token, key), fingerprint, request, next).await,
            _ => Ok(next.run(request).await),
        }
    });
    task.await.unwrap_or_else(|error| Err(Problem::internal(&format!("a write did not finish: {error}"))))
}

async fn once(
    results: &Results,
    name: Name,
    fingerprint: blake3::Hash,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let slot = results.slot(&name);
    let mut first = slot.lock().await;
    if let Some(first) = first.as_ref() {
        return if first.request == fingerprint { Ok(replay(first)) } else { Err(reused()) };
    }
    let (parts, body) = next.run(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| Problem::internal(&error))?;
    // A refusal is not kept: the caller mends the request and sends it again under the same key.
    if parts.status.is_success() {
        results.kept(&name, body.len());
        let headers = parts.headers.clone();
        *first = Some(First { request: fingerprint, status: parts.status, headers, body: body.clone() });
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(first: &First) -> Response {
    let mut response = (first.status, first.body.clone()).into_response();
    for name in [CONTENT_TYPE, LOCATION] {
        if let Some(value) = first.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "this Idempotency-Key was used for another request in the last 24 hours",
    )
    .hint("use a fresh key for each thing to be done; repeat a request under its own key and unchanged")
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    match key.to_str() {
        Ok(key) if keys.next().is_none() && (1..=255).contains(&key.trim().len()) => Ok(Some(key.trim().to_owned())),
        _ => Err(Problem::bad_value("Idempotency-Key", "has to be one text of 1 to 255 visible characters")),
    }
}

/// What makes two requests the same: verb, path, query and body.
fn fingerprint(parts: &http::request::Parts, body: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for piece in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        hasher.update(piece.as_bytes()).update(b"\n");
    }
    hasher.update(body).finalize()
}
