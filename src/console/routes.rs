//! Every route in one list, with who may use it and which parameters it takes. What is not in the list is refused.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use http::{Method, StatusCode};

use super::api::{
    audit, backups, check, connections, entries, erasures, health, holds, job_events, job_verbs, jobs, openapi,
    operations, plans, retention, reviews, tokens, undo,
};
use super::auth::{Who, admit};
use super::params::Params;
use super::problem::Problem;
use super::{Console, once};
use crate::engine::access::Role::{Admin, Operator, Privacy, Viewer};

/// One route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) who: Who,
    pub(super) params: &'static [&'static str],
    handler: MethodRouter<Console>,
}

const NONE: &[&str] = &[];
const PAGE: &[&str] = &["limit", "cursor"];

/// The list.
pub(super) fn all() -> Vec<Route> {
    use Who::{Anyone, AtLeast};
    let reads = |path, who, params, handler| Route { method: Method::GET, path, who, params, handler };
    let writes =
        |path, role, params, handler| Route { method: Method::POST, path, who: AtLeast(role), params, handler };
    vec![
        // Used by probes, scrapers and generators of clients. They say nothing about anybody's records.
        reads("/healthz", Anyone, NONE, get(health::alive)),
        reads("/readyz", Anyone, NONE, get(health::ready)),
        reads("/metrics", Anyone, NONE, get(health::metrics)),
        reads("/api/openapi.json", Anyone, NONE, get(openapi::document)),
        // Used by people who look for something that is gone.
        reads("/api/v1/entries", AtLeast(Viewer), entries::FILTERS, get(entries::list)),
        reads("/api/v1/entries/{id}", AtLeast(Viewer), NONE, get(entries::one)),
        reads("/api/v1/entries/{id}/diff", AtLeast(Viewer), NONE, get(entries::diff)),
        reads("/api/v1/operations", AtLeast(Viewer), operations::FILTERS, get(operations::list)),
        reads("/api/v1/operations/{id}", AtLeast(Viewer), NONE, get(operations::one)),
        reads("/api/v1/jobs", AtLeast(Viewer), PAGE, get(jobs::list)),
        reads("/api/v1/jobs/{id}", AtLeast(Viewer), NONE, get(jobs::one)),
        reads("/api/v1/jobs/{id}/items", AtLeast(Viewer), PAGE, get(jobs::items)),
        reads("/api/v1/jobs/{id}/events", AtLeast(Viewer), NONE, get(job_events::stream)),
        reads("/api/v1/restore-plans/{id}", AtLeast(Viewer), NONE, get(plans::one)),
        reads("/api/v1/reviews", AtLeast(Viewer), NONE, get(reviews::list)),
        reads("/api/v1/reviews/{id}", AtLeast(Viewer), NONE, get(reviews::one)),
        reads("/api/v1/audit", AtLeast(Viewer), PAGE, get(audit::list)),
        reads("/api/v1/connections", AtLeast(Viewer), NONE, get(connections::list)),
        reads("/api/v1/retention", AtLeast(Viewer), NONE, get(retention::forecast)),
        reads("/api/v1/holds", AtLeast(Viewer), NONE, get(holds::list)),
        // Used by people who bring it back.
        writes("/api/v1/restore-plans", Operator, NONE, post(plans::create)),
        writes("/api/v1/restore-plans/{id}/apply", Operator, NONE, post(plans::apply)),
        writes("/api/v1/operations/{id}/undo", Operator, undo::PARAMS, post(undo::undo)),
        writes("/api/v1/jobs/{id}/pause", Operator, NONE, post(job_verbs::pause)),
        writes("/api/v1/jobs/{id}/resume", Operator, NONE, post(job_verbs::resume)),
        writes("/api/v1/jobs/{id}/cancel", Operator, NONE, post(job_verbs::cancel)),
        writes("/api/v1/jobs/{id}/retry", Operator, NONE, post(job_verbs::retry)),
        writes("/api/v1/reviews/{id}/resolve", Operator, NONE, post(reviews::resolve)),
        // Used by who answers for personal data; administrators are not meant.
        reads("/api/v1/erasures", AtLeast(Viewer), NONE, get(erasures::list)),
        writes("/api/v1/erasures", Privacy, NONE, post(erasures::create)),
        // Used by administrators.
        writes("/api/v1/check", Admin, NONE, post(check::run)),
        writes("/api/v1/connections/{id}/connect", Admin, NONE, post(connections::connect)),
        writes("/api/v1/retention/run", Admin, NONE, post(retention::run)),
        writes("/api/v1/holds", Admin, NONE, post(holds::place)),
        Route {
            method: Method::DELETE,
            path: "/api/v1/holds/{id}",
            who: AtLeast(Admin),
            params: NONE,
            handler: delete(holds::release),
        },
        writes("/api/v1/backups", Admin, NONE, post(backups::create)),
        writes("/api/v1/audit/verify", Admin, NONE, post(audit::verify)),
        reads("/api/v1/tokens", AtLeast(Admin), NONE, get(tokens::list)),
        writes("/api/v1/tokens", Admin, NONE, post(tokens::create)),
        Route {
            method: Method::DELETE,
            path: "/api/v1/tokens/{id}",
            who: AtLeast(Admin),
            params: NONE,
            handler: delete(tokens::revoke),
        },
    ]
}

/// The list as a router, each route behind its guard.
pub(super) fn router(console: &Console) -> Router {
    let mut router = Router::new();
    for route in all() {
        let gate = Gate { console: console.clone(), who: route.who, params: route.params };
        router = router.route(route.path, route.handler.route_layer(from_fn_with_state(gate, guard)));
    }
    router.method_not_allowed_fallback(wrong_method).fallback(unknown).with_state(console.clone())
}

#[derive(Clone)]
struct Gate {
    console: Console,
    who: Who,
    params: &'static [&'static str],
}

/// Before every handler: who is asking, what for, and for writes: once.
async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Problem> {
    if let Some(caller) = admit(&gate.console, gate.who, request.headers()).await? {
        request.extensions_mut().insert(caller);
    }
    let params = Params::read(request.uri().query(), gate.params)?;
    request.extensions_mut().insert(params);
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    once::carry_out(gate.console.results.clone(), request, next).await
}

/// Nothing there. Strangers are told only that they are strangers.
async fn unknown(State(console): State<Console>, request: Request) -> Result<Response, Problem> {
    admit(&console, Who::AtLeast(Viewer), request.headers()).await?;
    Ok(Problem::new(StatusCode::NOT_FOUND, "no_such_route", "the console has nothing at this address")
        .hint("/api/openapi.json lists every call")
        .into_response())
}

async fn wrong_method(State(console): State<Console>, request: Request) -> Result<Response, Problem> {
    admit(&console, Who::AtLeast(Viewer), request.headers()).await?;
    Ok(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take this verb")
        .hint("/api/openapi.json lists every call")
        .into_response())
}
