use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, StatusCode};

use super::Desk;
use crate::console::auth::Who;
use crate::console::routes;
use crate::engine::access::Role;
use crate::engine::fake_world::Fake;

/// A path that names nothing.
fn filled(path: &str) -> String {
    path.replace("{id}", "00000000-0000-0000-0000-000000000000")
}

#[tokio::test]
async fn every_route_is_open_to_those_it_is_for_and_to_nobody_else() {
    let desk = Desk::over(Fake::idle()).await;
    let mut cells = 0;
    for route in routes::all() {
        for role in [None].into_iter().chain(Role::ALL.map(Some)) {
            let request = desk.request(&route.method, &filled(route.path), role);
            let told = desk.send(request.body(Body::empty()).unwrap()).await;
            let cell = format!("{} {} as {role:?}: {}", route.method, route.path, told.status);
            match (route.who, role) {
                (Who::AtLeast(_), None) => {
                    assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{cell}");
                    assert_eq!(told.code(), "unauthorized");
                    assert!(told.headers.contains_key("www-authenticate"), "{cell}");
                }
                (Who::AtLeast(needed), Some(role)) if !role.may(needed) => {
                    assert_eq!(told.status, StatusCode::FORBIDDEN, "{cell}");
                    assert_eq!(told.code(), "forbidden");
                }
                // Let in: then it is about what was asked. Without a body, with ids of nothing.
                (Who::AtLeast(_), Some(_)) => {
                    let names_nothing = route.path.contains("{id}");
                    let wants_a_body = matches!(
                        route.path,
                        "/api/v1/restore-plans"
                            | "/api/v1/tokens"
                            | "/api/v1/erasures"
                            | "/api/v1/holds"
                            | "/api/v1/retention/run"
                            | "/api/v1/audit/verify"
                    ) && route.method == Method::POST;
                    let expected: &[u16] = match (names_nothing, wants_a_body) {
                        (true, _) => &[404, 415],
                        (_, true) => &[415],
                        // No place for backups is configured here.
                        _ if route.path == "/api/v1/backups" => &[409],
                        _ => &[200],
                    };
                    assert!(expected.contains(&told.status.as_u16()), "{cell}");
                }
                (Who::Anyone, _) => assert_eq!(told.status, StatusCode::OK, "{cell}"),
            }
            assert_eq!(told.headers["cache-control"], "no-store", "{cell}");
            cells += 1;
        }
    }
    assert!(cells >= 100, "{cells}");
}

#[tokio::test]
async fn writes_need_an_operator_and_administration_an_administrator() {
    for route in routes::all() {
        let role = match route.who {
            Who::Anyone => None,
            Who::AtLeast(role) => Some(role),
        };
        if route.method != Method::GET {
            assert!(role >= Some(Role::Operator), "{} {} is open to {role:?}", route.method, route.path);
        }
        if route.path.starts_with("/api/v1/tokens")
            || ["/api/v1/check", "/api/v1/audit/verify", "/api/v1/backups"].contains(&route.path)
        {
            assert_eq!(role, Some(Role::Admin), "{}", route.path);
        }
        if route.path == "/api/v1/erasures" && route.method != Method::GET {
            assert_eq!(role, Some(Role::Privacy), "administrators do not erase");
            assert!(!Role::Admin.may(Role::Privacy) && !Role::Privacy.may(Role::Operator));
        }
        if route.path.starts_with("/api/v1") {
            assert!(role.is_some(), "{} is open to everybody", route.path);
        }
    }
}

#[tokio::test]
async fn strangers_and_revoked_tokens_are_told_nothing() {
    let desk = Desk::over(Fake::idle()).await;
    let ask = |value: &str| {
        let request = desk.request(&Method::GET, "/api/v1/entries", None).header("authorization", value);
        desk.send(request.body(Body::empty()).unwrap())
    };
    for bad in ["Bearer nonsense", "Basic YTpi", "Bearer", "Bearer a b"] {
        assert_eq!(ask(bad).await.code(), "unauthorized", "{bad}");
    }
    let (token, secret) = desk.fake.engine.issue_token(Role::Viewer, "boris", "anna").await.unwrap();
    assert_eq!(ask(&format!("Bearer {secret}")).await.status, StatusCode::OK);
    desk.fake.engine.revoke_token(token.identity.token, "anna").await.unwrap();
    assert_eq!(ask(&format!("Bearer {secret}")).await.code(), "unauthorized");
    // An address that is not there looks the same to them as one that is.
    let nowhere = desk.request(&Method::GET, "/api/v1/nothing", None).body(Body::empty()).unwrap();
    assert_eq!(desk.send(nowhere).await.code(), "unauthorized");
    assert_eq!(desk.get("/api/v1/nothing").await.code(), "no_such_route");
}

#[tokio::test]
async fn the_description_has_every_route_and_no_other() {
    let desk = Desk::over(Fake::idle()).await;
    let document = desk.get("/api/openapi.json").await.json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(operation["responses"]["default"].is_object(), "{method} {path} does not describe its errors");
        }
    }
    let routes = routes::all();
    let listed = routes.iter().map(|route| (route.method.to_string(), route.path.to_owned()));
    assert_eq!(described, listed.collect());
}
