//! One answer to a read of ours, and what it means when there are no rows in it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::row::Row;
use crate::crm::upstream::flow::is_html;
use crate::crm::upstream::{Answer, Ask};
use crate::crm::{CrmError, Reach};

/// Why rows were not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Nothing can be read now.
    Down(CrmError),
    /// These cannot: reason in plain words.
    Hidden(String),
    /// The list holds rows that were not asked for: the CRM ignores the filter.
    Ignored,
}

/// A page of rows.
#[derive(Debug)]
pub(super) struct Page {
    pub rows: Vec<Row>,
    pub next: bool,
    pub total: Option<u64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "_embedded")]
    embedded: HashMap<String, &'a RawValue>,
    #[serde(rename = "_links", default)]
    links: Value,
    #[serde(rename = "_total_items", default)]
    total: Option<u64>,
}

/// Asks the CRM. Any answer of its API is `Ok`, but those that say the whole account is shut.
pub(super) async fn get(reach: Reach<'_>, target: String) -> Result<Answer, CrmError> {
    let answer = reach.upstream.ask(reach.access, reach.lane, Ask::get(target)).await?;
    let why = match answer.status {
        StatusCode::UNAUTHORIZED => "it does not accept the token",
        StatusCode::PAYMENT_REQUIRED => "the account is not paid",
        _ => return Ok(answer),
    };
    Err(CrmError::Permanent { status: Some(answer.status.as_u16()), detail: why.to_owned() })
}

/// The rows under `_embedded.{key}`; `None` for 204, which is how the CRM says "none" (§2.0).
pub(super) async fn page(reach: Reach<'_>, target: String, key: &str) -> Result<Option<Page>, Unread> {
    judge(&get(reach, target).await.map_err(Unread::Down)?, key)
}

/// What an answer holds.
pub(super) fn judge(answer: &Answer, key: &str) -> Result<Option<Page>, Unread> {
    match answer.status {
        StatusCode::NO_CONTENT => Ok(None),
        StatusCode::OK => read(answer, key).map(Some).ok_or_else(|| odd(key)),
        _ => Err(Unread::Hidden(refusal(answer, key))),
    }
}

fn read(answer: &Answer, key: &str) -> Option<Page> {
    if is_html(&answer.headers) {
        return None;
    }
    let content_type = content_type(answer);
    let envelope: Envelope<'_> = serde_json::from_slice(&answer.body).ok()?;
    let rows: Vec<&RawValue> = serde_json::from_str(envelope.embedded.get(key)?.get()).ok()?;
    let rows = rows.into_iter().map(|raw| slice(&answer.body, raw, &content_type)).collect::<Option<Vec<Row>>>()?;
    let next = envelope.links.get("next").is_some_and(|next| !next.is_null());
    Some(Page { rows, next, total: envelope.total })
}

fn slice(body: &Bytes, raw: &RawValue, content_type: &Arc<str>) -> Option<Row> {
    Row::read(body.slice_ref(raw.get().as_bytes()), Arc::clone(content_type))
}

/// As the CRM declared it.
pub(super) fn content_type(answer: &Answer) -> Arc<str> {
    let declared = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    declared.unwrap_or("application/octet-stream").into()
}

/// The one record an answer shows; `None` if it is none.
pub(super) fn record(answer: &Answer) -> Option<Row> {
    if is_html(&answer.headers) { None } else { Row::read(answer.body.clone(), content_type(answer)) }
}

/// In plain words, without what was asked: a path may hold what a person typed.
pub(super) fn refusal(answer: &Answer, what: &str) -> String {
    format!("the CRM answers {} when it is asked for {what}", answer.status.as_u16())
}

pub(super) fn odd(what: &str) -> Unread {
    Unread::Hidden(format!("the CRM's answer about {what} is not of the known shape"))
}
