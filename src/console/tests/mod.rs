//! The console through its own router, over the memory store and a fake CRM.
//!
//! | file | idea |
//! | --- | --- |
//! | `doors` | every route x every role; the list and the description agree |
//! | `restores` | plans, jobs, undo, events |
//! | `values` | what cannot be used is refused by name |

mod doors;
mod restores;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use super::{Console, Settings, layers, routes};
use crate::engine::access::Role;
use crate::engine::fake_world::Fake;

/// The console of one fake process, with a token of each role.
struct Desk {
    fake: Fake,
    router: Router,
    tokens: BTreeMap<Role, String>,
}

/// What was answered.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    /// The code of a problem; the rules of problems hold for it.
    fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

impl Desk {
    async fn over(fake: Fake) -> Self {
        fake.engine.first_administrator(Some("the-first-one")).await.expect("nobody may yet");
        let mut tokens = BTreeMap::new();
        for role in Role::ALL {
            let (_, secret) = fake.engine.issue_token(role, "anna", "the test").await.expect("a token");
            tokens.insert(role, secret);
        }
        let console = Console { engine: fake.engine.clone(), settings: Settings::default(), results: Arc::default() };
        Self { router: layers::around(routes::router(&console)), fake, tokens }
    }

    async fn running() -> Self {
        Self::over(Fake::running()).await
    }

    fn request(&self, method: &Method, target: &str, role: Option<Role>) -> http::request::Builder {
        let request = Request::builder().method(method.clone()).uri(target);
        match role {
            Some(role) => request.header("authorization", format!("Bearer {}", self.tokens[&role])),
            None => request,
        }
    }

    async fn send(&self, request: Request<Body>) -> Told {
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer).await.expect("in time");
        let (head, body) = answer.expect("never fails").into_parts();
        let body = tokio::time::timeout(std::time::Duration::from_secs(20), to_bytes(body, usize::MAX));
        let body = body.await.expect("the body ends in time").expect("whole");
        Told { status: head.status, headers: head.headers, text: String::from_utf8(body.to_vec()).expect("UTF-8") }
    }

    async fn get(&self, target: &str) -> Told {
        let request = self.request(&Method::GET, target, Some(Role::Viewer));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, target: &str, body: &Value) -> Told {
        self.post_once(target, body, None).await
    }

    async fn post_once(&self, target: &str, body: &Value, key: Option<&str>) -> Told {
        let mut request = self.request(&Method::POST, target, Some(Role::Operator));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    /// Asks for the job until it has ended.
    async fn ended(&self, job: &Value) -> Value {
        let id = job["id"].as_str().expect("an id").parse().expect("of a job");
        self.fake.ended(id).await;
        self.get(&format!("/api/v1/jobs/{id}")).await.json()
    }
}
