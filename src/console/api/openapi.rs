//! The description of the API, made from the handlers themselves.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use super::{
    audit, backups, check, connections, entries, erasures, health, holds, job_events, job_verbs, jobs, operations,
    plans, retention, reviews, tokens, undo,
};
use crate::console::auth::Who;
use crate::console::{problem, routes};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "crm-undo console", description = "The bin, restores, jobs, access. Errors are problem+json with a \
        stable `code`; writes take `Idempotency-Key`; lists take `limit` and `cursor`."),
    paths(
        health::alive, health::ready, health::metrics, document,
        entries::list, entries::one, entries::diff,
        operations::list, operations::one, undo::undo,
        plans::create, plans::one, plans::apply,
        jobs::list, jobs::one, jobs::items, job_events::stream,
        job_verbs::pause, job_verbs::resume, job_verbs::cancel, job_verbs::retry,
        reviews::list, reviews::one, reviews::resolve,
        audit::list, audit::verify, backups::create, connections::list, connections::connect, check::run,
        erasures::list, erasures::create, retention::forecast, retention::run,
        holds::list, holds::place, holds::release,
        tokens::list, tokens::create, tokens::revoke,
    ),
    components(schemas(problem::Body)),
    modifiers(&Rules),
)]
struct Described;

/// What holds for every call and would be noise on each handler: who may use it, and how errors look.
struct Rules;

impl Modify for Rules {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("`cu_…`")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
        for route in routes::all() {
            let Some(item) = document.paths.paths.get_mut(route.path) else { continue };
            let operation = match route.method {
                http::Method::GET => &mut item.get,
                http::Method::POST => &mut item.post,
                http::Method::DELETE => &mut item.delete,
                _ => continue,
            };
            let Some(operation) = operation else { continue };
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let answer =
                ResponseBuilder::new().description("Not carried out").content("application/problem+json", problem);
            operation.responses.responses.entry("default".into()).or_insert(RefOr::T(answer.build()));
            if let Who::AtLeast(role) = route.who {
                operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
                operation.description = Some(match role {
                    crate::engine::access::Role::Privacy => "Needs the role privacy.".to_owned(),
                    role => format!("Needs the role {role} or a stronger one."),
                });
            }
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", responses((status = 200, description = "OpenAPI 3.1")))]
pub(in crate::console) async fn document() -> Json<OpenApi> {
    Json(Described::openapi())
}
