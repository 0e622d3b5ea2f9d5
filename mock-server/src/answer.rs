//! One HTTP answer before it is put on the wire, in the shapes amoCRM uses.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl Answer {
    /// Status without a body, as 204, 202 and 405 come.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        Self { status, headers: vec![(header::CONTENT_TYPE, content_type)], body: body.into() }
    }

    /// A success of API v4.
    pub fn hal(status: StatusCode, value: &Value) -> Self {
        Self::typed(status, "application/hal+json", value.to_string())
    }

    /// An answer of the private routes, of OAuth and of our own control calls.
    pub fn json(status: StatusCode, value: &Value) -> Self {
        Self::typed(status, "application/json", value.to_string())
    }

    /// An error of API v4 with a body of its own making.
    pub fn problem_body(status: StatusCode, value: &Value) -> Self {
        Self::typed(status, "application/problem+json", value.to_string())
    }

    /// An error of API v4 (§1.6).
    pub fn problem(status: StatusCode, detail: &str) -> Self {
        let body = json!({
            "title": title(status),
            "type": format!("https://httpstatus.es/{}", status.as_u16()),
            "status": status.as_u16(),
            "detail": detail,
        });
        Self::problem_body(status, &body)
    }

    /// The page nginx shows in front of amoCRM: 429, 403 of a blocked account, 5xx (§1.4).
    pub fn html(status: StatusCode) -> Self {
        let line = format!("{} {}", status.as_u16(), title(status));
        let page = format!(
            "<html><head><title>{line}</title></head><body><center><h1>{line}</h1></center><hr><center>nginx</center></body></html>"
        );
        Self::typed(status, "text/html", page)
    }

    /// A file as it was uploaded.
    pub fn bytes(content_type: &str, body: Bytes) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body }.with_header(header::CONTENT_TYPE, content_type)
    }

    pub fn with_header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((name, value));
        }
        self
    }
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
