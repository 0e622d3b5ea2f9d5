//! What is answered instead of the CRM's answer, in the vendor's own words.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::admit::ALLOWED;
use crate::crm::upstream::flow::Flow;
use crate::crm::{CrmError, Dialect, Head};
use crate::domain::delete::Refusal;

/// A refusal that waiting does not help.
pub(super) fn because(status: u16, code: &'static str, detail: &str, hint: &str) -> Refusal {
    Refusal { status, code, detail: detail.to_owned(), hint: hint.to_owned(), retry_after: None }
}

/// Why there is no answer of the CRM to a request that was relayed. `changes`: whether it could change something.
pub(super) fn no_answer(error: &CrmError, changes: bool) -> Refusal {
    let again = "nothing was changed; send the request again";
    match error {
        CrmError::Transient { retry_after: Some(wait), .. } => {
            let mut refusal = because(429, "too_many_waiting", &error.to_string(), again);
            refusal.retry_after = Some(wait.as_secs().max(1));
            refusal
        }
        CrmError::Transient { retry_after: None, .. } => {
            let mut refusal = because(503, "crm_unreachable", &error.to_string(), again);
            refusal.retry_after = Some(1);
            refusal
        }
        CrmError::Ambiguous { .. } if changes => because(
            504,
            "outcome_unknown",
            &error.to_string(),
            "the request may have been carried out; look before you send it again",
        ),
        CrmError::Ambiguous { .. } => because(502, "crm_unreachable", &error.to_string(), again),
        CrmError::Permanent { .. } => because(502, "not_sent", &error.to_string(), "correct the request"),
    }
}

/// The refusal as the vendor's clients understand it; without a vendor, as problem+json.
pub(super) fn worded(dialect: Option<&dyn Dialect>, head: &Head<'_>, refusal: &Refusal) -> Response<Flow> {
    let response = dialect.map_or_else(|| problem(refusal), |dialect| dialect.refuse(head, refusal));
    let mut response = response.map(Flow::whole);
    let headers = response.headers_mut();
    if let Some(wait) = refusal.retry_after {
        headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from(wait));
    }
    if refusal.status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn problem(refusal: &Refusal) -> Response<Bytes> {
    let body = serde_json::json!({
        "title": refusal.code,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "hint": refusal.hint,
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

pub(super) fn bad_path(why: &str) -> Refusal {
    let detail = format!("the path can be read in more than one way: {why}");
    because(400, "bad_path", &detail, "write the path as the CRM's documentation does")
}

pub(super) fn other_verb() -> Refusal {
    let detail = "the request asks for another verb with _method";
    because(400, "verb_override", detail, "send the verb itself in the request line")
}

pub(super) fn broken_body() -> Refusal {
    because(400, "broken_body", "the body of the request broke off or is not framed correctly", "send it again")
}

pub(super) fn changed_on_the_way() -> Refusal {
    because(500, "internal", "the request would have changed on its way and was not sent", "report this")
}

pub(super) fn not_understood(why: &str) -> Refusal {
    let detail = format!("this looks like a delete that crm-undo does not know, so it was not forwarded: {why}");
    because(403, "not_understood", &detail, "use a call listed in docs/delete-dialects.md")
}

pub(super) fn unreadable(why: &str) -> Refusal {
    let detail = format!("this looks like a delete and cannot be read, so it was not forwarded: {why}");
    because(400, "unreadable_delete", &detail, "name the records in the form the CRM documents")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_went_wrong_is_told_honestly() {
        let busy = CrmError::Transient { retry_after: Some(Duration::from_secs(3)), detail: "queue".into() };
        let away = CrmError::Transient { retry_after: None, detail: "refused".into() };
        let lost = CrmError::Ambiguous { detail: "cut".into() };
        let wrong = CrmError::Permanent { status: None, detail: "no".into() };
        for (error, changes, status, wait) in [
            (&busy, true, 429, Some(3)),
            (&away, true, 503, Some(1)),
            (&lost, false, 502, None),
            (&lost, true, 504, None),
            (&wrong, true, 502, None),
        ] {
            let refusal = no_answer(error, changes);
            assert_eq!((refusal.status, refusal.retry_after), (status, wait), "{error}");
        }
    }
}
