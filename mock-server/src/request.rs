//! One request as the mock heard it, with its path made comparable.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::query::Query;

#[derive(Clone, Debug)]
pub struct Request {
    /// Its number in the ledger.
    pub seq: u64,
    pub method: Method,
    /// Path with repeated slashes folded and without one at the end (`//api/v4/leads/` is `/api/v4/leads`): real
    /// clients send both.
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn new(seq: u64, method: Method, target: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { seq, method, path: folded(path), query: Query::parse(query.as_bytes()), headers, body }
    }

    /// The path's segments, percent-decoded.
    pub fn segments(&self) -> Vec<String> {
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `http://host`, as the caller named us: links in answers begin with it.
    pub fn base(&self) -> String {
        format!("http://{}", self.header(header::HOST.as_str()).unwrap_or("acme.amocrm.ru"))
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The body as JSON, whatever content type was declared; `None` if it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as form pairs, whatever content type was declared.
    pub fn form(&self) -> Query {
        Query::parse(&self.body)
    }
}

fn folded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() { "/".to_owned() } else { out }
}
