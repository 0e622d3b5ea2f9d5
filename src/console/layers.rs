//! What every answer goes through, in one list. The outermost comes last, as axum wants it.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{ALLOW, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::problem::Problem;

/// The router inside all layers.
pub(super) fn around(router: Router) -> Router {
    router
        // Counted by route, not by address: addresses hold ids and search words.
        .layer(from_fn(counted))
        // CONNECT reaches a fallback handler as if it were a page, and `delete` is not DELETE: only known verbs pass.
        .layer(from_fn(known_verbs))
        // A bug in one handler costs one answer, not the connection, and the client learns nothing of its insides.
        .layer(from_fn(last_resort))
        // On every answer, errors included: nothing here may be kept, framed, sniffed or run by a browser.
        .layer(from_fn(browser_rules))
}

async fn counted(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("crm_undo_console_requests_total", "route" => route, "method" => method, "status" => status)
        .increment(1);
    response
}

async fn known_verbs(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD | Method::POST | Method::DELETE => next.run(request).await,
        _ => Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "the console knows GET, HEAD, POST and DELETE",
        )
        .hint("/api/openapi.json lists every call")
        .header(ALLOW, HeaderValue::from_static("GET, HEAD, POST, DELETE"))
        .into_response(),
    }
}

async fn last_resort(request: Request, next: Next) -> Response {
    // The future is dropped after a panic, so nothing half-changed in it is seen again.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Problem::internal(&format!("a handler panicked: {text}")).into_response()
        }
    }
}

const RULES: [(HeaderName, HeaderValue); 7] = [
    (http::header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (http::header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
];

async fn browser_rules(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in RULES {
        response.headers_mut().insert(name, value);
    }
    response
}
