//! What amoCRM's requests and answers mean. Pure: no I/O, no clock.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::AmoCrm;
use crate::crm::{Dialect, Head, Renamed, Successor, Triage};
use crate::domain::delete::{DeleteIntent, Recognised, Refusal, Verdict};
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Difference, Draft, Loss};

impl Dialect for AmoCrm {
    fn vendor(&self) -> &'static str {
        "amocrm"
    }

    // A first, closed line: reads pass, everything else is refused until the signatures are in.
    fn triage(&self, head: &Head<'_>) -> Triage {
        if head.method.is_safe() { Triage::Stream } else { Triage::Refuse("no signature is known yet".to_owned()) }
    }

    fn recognise(&self, _head: &Head<'_>, _body: &[u8]) -> Recognised {
        Recognised::Unreadable("no signature is known yet".to_owned())
    }

    fn settle(&self, _intent: &DeleteIntent, status: StatusCode, _body: &[u8]) -> Verdict {
        Verdict::Unclear(format!("the CRM answered {status}"))
    }

    fn gone(&self, _intent: &DeleteIntent) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(refusal.detail.clone()));
        *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN);
        response
    }

    fn names_in_head(&self, _head: &Head<'_>) -> Vec<RecordRef> {
        Vec::new()
    }

    fn names_in_body(&self, _head: &Head<'_>, _body: &[u8]) -> Vec<RecordRef> {
        Vec::new()
    }

    fn rename(&self, _head: &Head<'_>, _body: &[u8], _successor: Successor<'_>) -> Option<Renamed> {
        None
    }

    fn draft(&self, snapshot: &Snapshot, surroundings: &Value) -> Draft {
        super::draft::draft(snapshot, surroundings)
    }

    fn compare(&self, was: &Snapshot, is: &Snapshot, successor: Successor<'_>, losses: &[Loss]) -> Vec<Difference> {
        super::compare::compare(was, is, successor, losses)
    }
}
