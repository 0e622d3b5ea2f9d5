//! What amoCRM's requests and answers mean. Pure: no I/O, no clock. The signatures stand in `docs/delete-dialects.md`.
//!
//! | file | idea |
//! | --- | --- |
//! | [`signatures`] | every known way to delete, as one table |
//! | [`writes`] | documented writes that destroy nothing, as one table |
//! | [`pattern`] | path patterns of both tables |
//! | [`triage`] | what the head alone decides |
//! | [`recognize`] | signature + body -> what would be destroyed |
//! | [`private`] | bodies of the web pages' own routes |
//! | [`cards`] | tags, links and `is_deleted` in v4 bodies |
//! | [`tree`] | a body as a tree that knows where each value stands |
//! | [`form`] | forms with bracketed names as such a tree |
//! | [`ids`] | ids in the shapes clients send |
//! | [`words`] | words that say "delete" |
//! | [`settle`] | what an answer says |
//! | [`faces`] | "already gone", and refusals, in each route's shape |
//! | [`names`] | the records a request names, and where |
//! | [`rename`] | the same request in new ids |

mod cards;
mod faces;
mod form;
mod ids;
mod names;
mod pattern;
mod private;
mod recognize;
mod rename;
mod settle;
mod signatures;
#[cfg(test)]
mod tests;
mod tree;
mod triage;
mod words;
mod writes;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::AmoCrm;
use crate::crm::{Dialect, Head, Renamed, Successor, Triage};
use crate::domain::delete::{DeleteIntent, Recognised, Refusal, Verdict};
use crate::domain::plan::Step;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Difference, Draft, Loss};

impl Dialect for AmoCrm {
    fn vendor(&self) -> &'static str {
        "amocrm"
    }

    fn triage(&self, head: &Head<'_>) -> Triage {
        triage::triage(head)
    }

    fn recognise(&self, head: &Head<'_>, body: &[u8]) -> Recognised {
        recognize::recognize(head, body)
    }

    fn settle(&self, intent: &DeleteIntent, status: StatusCode, body: &[u8]) -> Verdict {
        settle::settle(intent, status, body)
    }

    fn gone(&self, intent: &DeleteIntent) -> Response<Bytes> {
        faces::gone(intent)
    }

    fn done(&self, intent: &DeleteIntent) -> Response<Bytes> {
        faces::done(intent)
    }

    fn refuse(&self, head: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
        faces::refuse(head, refusal)
    }

    fn names_in_head(&self, head: &Head<'_>) -> Vec<RecordRef> {
        names::records(names::in_head(head))
    }

    fn names_in_body(&self, head: &Head<'_>, body: &[u8]) -> Vec<RecordRef> {
        names::records(names::in_body(head, body))
    }

    fn rename(&self, head: &Head<'_>, body: &[u8], successor: Successor<'_>) -> Option<Renamed> {
        rename::rename(head, body, successor)
    }

    fn draft(&self, snapshot: &Snapshot, surroundings: &Value) -> Draft {
        super::draft::draft(snapshot, surroundings)
    }

    fn may_have_made(&self, step: &Step, snapshot: &Snapshot) -> bool {
        super::write::may_have_made(step, snapshot)
    }

    fn compare(&self, was: &Snapshot, is: &Snapshot, successor: Successor<'_>, losses: &[Loss]) -> Vec<Difference> {
        super::compare::compare(was, is, successor, losses)
    }
}
