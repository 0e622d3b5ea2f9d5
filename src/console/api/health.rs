//! Is it alive, may it be used, how much does it do.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::console::Console;
use crate::console::problem::Problem;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "`ok`")))]
pub(in crate::console) async fn alive() -> &'static str {
    "ok\n"
}

/// The archive is open and its index caught up. Operations may still be settling. A line more for each connection whose
/// access is not good.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "`ready`"),
    (status = 503, description = "Not ready; `detail` says why", body = crate::console::problem::Body),
))]
pub(in crate::console) async fn ready(State(console): State<Console>) -> Result<String, Problem> {
    match console.engine.ready() {
        // Reads and other connections work, so this is no reason to be taken out of service.
        Ok(()) => Ok(std::iter::once("ready\n".to_owned()).chain(console.engine.troubles()).collect()),
        Err(error) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", error.to_string())
            .hint("reads and restores may work meanwhile; deletes are refused")),
    }
}

/// Numbers in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text")))]
pub(in crate::console) async fn metrics(State(console): State<Console>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (console.settings.metrics)()).into_response()
}
