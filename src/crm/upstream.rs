//! The only door to a CRM: identity, budget, retries.
//!
//! Three ways through it, all of which wait for the account's budget:
//! [`ask`](Upstream::ask) for the calls we make ourselves, [`forward`](Upstream::forward) for a caller's own destructive
//! request, sent once, and `relay` for everything that streams through.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};

use super::{Access, CrmError, Lane};

/// One CRM account behind the gateway.
#[derive(Debug)]
pub struct Upstream {}

/// A call of our own.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Verb.
    pub method: Method,
    /// Path and query, already encoded; begins with `/`.
    pub target: String,
    /// Content type and body.
    pub body: Option<(&'static str, Bytes)>,
}

impl Ask {
    /// `GET target`.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: Method::GET, target: target.into(), body: None }
    }

    /// `POST target` with JSON.
    pub fn post(target: impl Into<String>, json: &serde_json::Value) -> Self {
        Self { method: Method::POST, target: target.into(), body: Some(("application/json", json.to_string().into())) }
    }
}

/// The CRM's answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as received; never decoded.
    pub body: Bytes,
}

impl Upstream {
    /// A call of our own. `Ok` is any answer that the CRM's API gave (2xx and 4xx but 429); a `GET` is repeated within
    /// bounds when it was throttled, cut or answered 5xx, anything else is sent once: [`CrmError::Transient`] if it was
    /// certainly not carried out, [`CrmError::Ambiguous`] if it may have been.
    pub async fn ask(&self, _access: &Access, _lane: Lane, _ask: Ask) -> Result<Answer, CrmError> {
        Err(CrmError::Transient { retry_after: None, detail: "not connected".into() })
    }

    /// A caller's own request, its bytes as they came, sent once, followed by no redirect. `Ok` is any answer;
    /// [`CrmError::Transient`] if it was certainly not sent, [`CrmError::Ambiguous`] if it may have arrived.
    /// The path and query of `request` go out byte for byte.
    pub async fn forward(&self, _lane: Lane, _request: Request<Bytes>) -> Result<Answer, CrmError> {
        Err(CrmError::Transient { retry_after: None, detail: "not connected".into() })
    }
}
