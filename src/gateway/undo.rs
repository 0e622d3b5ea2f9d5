//! The answer to a delete: the CRM's own, and how to take it back.

use http::{HeaderValue, Response, header};
use jiff::Timestamp;

use super::hops;
use super::refusal::{because, worded};
use crate::crm::upstream::flow::Flow;
use crate::crm::{Dialect, Head};
use crate::domain::ids::OperationId;
use crate::engine::delete::{DeleteAnswer, Ticket};

/// What the caller of a delete is answered.
pub(super) fn answer(dialect: &dyn Dialect, head: &Head<'_>, answer: DeleteAnswer) -> Response<Flow> {
    match answer {
        DeleteAnswer::Forwarded { answer, operation } => {
            let mut response = Response::new(Flow::whole(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            hops::answer(response.headers_mut());
            // The body was read whole, so its length is known better now.
            response.headers_mut().remove(header::CONTENT_LENGTH);
            if let Some((operation, until)) = operation {
                undoable(&mut response, operation, until);
            }
            response
        }
        DeleteAnswer::Again { answer: before, operation } => {
            let mut response = self::answer(dialect, head, DeleteAnswer::Forwarded { answer: before, operation });
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
            response
        }
        DeleteAnswer::Gone(response) | DeleteAnswer::Refused(response) => response.map(Flow::whole),
        DeleteAnswer::Unknown { operation, until } => {
            let detail = format!(
                "the CRM's answer is missing or says nothing, so it is not known yet whether the records were deleted; their snapshot \
                 is safe, and operation {operation} will say what became of them"
            );
            let hint = format!("look at /api/v1/operations/{operation}; the same request again joins it");
            let mut response = worded(Some(dialect), head, &because(504, "outcome_unknown", &detail, &hint));
            undoable(&mut response, operation, until);
            response
        }
    }
}

/// The answer to somebody who will not wait any longer for a delete that is still being carried out.
pub(super) fn goes_on(dialect: &dyn Dialect, head: &Head<'_>, ticket: Ticket) -> Response<Flow> {
    let Ticket { operation, until } = ticket;
    let detail = format!(
        "this delete is still being carried out; operation {operation} will say what became of it, and as long as there is no such \
         operation nothing was sent"
    );
    let hint = format!("look at /api/v1/operations/{operation}; the same request again joins it");
    let mut response = worded(Some(dialect), head, &because(504, "outcome_unknown", &detail, &hint));
    undoable(&mut response, operation, until);
    response
}

fn undoable(response: &mut Response<Flow>, operation: OperationId, until: Timestamp) {
    let value = |text: String| HeaderValue::from_str(&text).expect("ids and times are visible ASCII");
    let headers = response.headers_mut();
    headers.insert("undo-id", value(operation.to_string()));
    headers.insert("undo-until", value(format!("{until:.6}")));
    headers.append(header::LINK, value(format!("</api/v1/operations/{operation}/undo>; rel=\"undo\"")));
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::crm::upstream::Answer;
    use crate::gateway::tests::fake::Fake;

    #[test]
    fn an_undoable_answer_says_how_and_until_when() {
        let operation: OperationId = "0190d6a0-0000-7000-8000-000000000001".parse().unwrap();
        let until: Timestamp = "2026-02-01T03:04:05.5Z".parse().unwrap();
        let method = http::Method::DELETE;
        let none = http::HeaderMap::new();
        let head = Head { method: &method, path: "/x", query: None, headers: &none };
        let crm = Answer { status: StatusCode::NO_CONTENT, headers: http::HeaderMap::new(), body: Bytes::new() };
        let forwarded = DeleteAnswer::Forwarded { answer: crm.clone(), operation: Some((operation, until)) };
        let told = answer(&Fake, &head, forwarded);
        assert_eq!(told.status(), 204);
        assert_eq!(told.headers()["undo-id"], "0190d6a0-0000-7000-8000-000000000001");
        assert_eq!(told.headers()["undo-until"], "2026-02-01T03:04:05.500000Z");
        let link = "</api/v1/operations/0190d6a0-0000-7000-8000-000000000001/undo>; rel=\"undo\"";
        assert_eq!(told.headers()["link"], link);

        let told = answer(&Fake, &head, DeleteAnswer::Unknown { operation, until });
        assert_eq!(told.status(), 504);
        assert_eq!(told.headers()["undo-id"], "0190d6a0-0000-7000-8000-000000000001");

        let told = answer(&Fake, &head, DeleteAnswer::Forwarded { answer: crm, operation: None });
        assert!(told.headers().get("undo-id").is_none(), "nothing is gone, so nothing can be undone");
    }
}
