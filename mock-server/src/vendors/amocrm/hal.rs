//! HAL envelopes (§2.0) and the plain errors of routes.

use http::StatusCode;
use serde_json::{Value, json};

use super::Cx;
use crate::answer::Answer;
use crate::request::Request;

impl Cx<'_> {
    /// An absolute link to a path of the API.
    pub fn href(&self, path: &str) -> Value {
        json!({"href": format!("{}{path}", self.request.base())})
    }

    pub fn self_link(&self, path: &str) -> Value {
        json!({"self": self.href(path)})
    }

    /// `{"_links", "_embedded": {key: rows}}` as POST and PATCH answer.
    pub fn written(&self, key: &str, rows: &[Value]) -> Answer {
        self.written_as(StatusCode::OK, key, rows)
    }

    pub fn written_as(&self, status: StatusCode, key: &str, rows: &[Value]) -> Answer {
        let body = json!({"_links": self.self_link(&self.request.path), "_embedded": {key: rows}});
        Answer::hal(status, &body)
    }

    /// A small collection that comes whole, with `_total_items`.
    pub fn whole(&self, key: &str, rows: &[Value]) -> Answer {
        let body = json!({
            "_total_items": rows.len(),
            "_links": self.self_link(&self.request.path),
            "_embedded": {key: rows},
        });
        Answer::hal(StatusCode::OK, &body)
    }

    /// `Cannot DELETE https://…!`, as unknown routes answer.
    pub fn no_route(&self) -> Answer {
        no_route(self.request)
    }
}

pub fn no_route(request: &Request) -> Answer {
    let detail = format!("Cannot {} {}{}!", request.method, request.base(), request.path);
    Answer::problem(StatusCode::NOT_FOUND, &detail)
}

/// A route that exists, but not with this method: empty (§1.5).
pub fn no_method() -> Answer {
    Answer::empty(StatusCode::METHOD_NOT_ALLOWED)
}

pub fn nothing() -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
}

pub fn not_found() -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, "Resource not found")
}
