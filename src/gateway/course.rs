//! What becomes of a request, decided by its head and, where that does not suffice, by its body. Pure: the judgement that
//! nothing may slip past, apart from the waiting and reading around it.

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, header};

use super::admit;
use super::canonical::{self, Reading};
use super::refusal::{bad_path, because, not_understood, other_verb};
use crate::crm::{Dialect, Head, Triage};
#[cfg(any(test, feature = "fuzzing"))]
use crate::domain::delete::Recognised;
use crate::domain::delete::Refusal;

/// The longest body of a read.
const READ_WITH_BODY: usize = 1 << 20;

/// What is done with a request next, and the target with which it is sent and classified.
pub(super) enum Course {
    /// It passes as it comes.
    Relay,
    /// It passes; ids of records that were restored may be followed.
    Stream(PathAndQuery),
    /// Its body is read whole, up to so many bytes, before anything else.
    Read(PathAndQuery, usize),
    /// It does not pass.
    Refuse(Refusal),
}

/// The course of a request. `is_bare`: it has no body.
pub(super) fn course(
    dialect: &dyn Dialect,
    method: &Method,
    target: &PathAndQuery,
    headers: &HeaderMap,
    is_bare: bool,
) -> Course {
    // Also on a read: a server that obeys it makes a delete of it.
    if target.query().is_some_and(|query| admit::overrides_verb(query.as_bytes())) {
        return Course::Refuse(other_verb());
    }
    let triage = |path: &str| dialect.triage(&Head { method, path, query: target.query(), headers });
    let (triage, target) = match canonical::read(target.path()) {
        Reading::One(path) if path.len() == target.path().len() => (triage(&path), target.clone()),
        Reading::One(folded) => {
            let triage = triage(&folded);
            // A read passes untouched; anything else is sent as it was classified.
            if triage == Triage::Stream && method.is_safe() {
                (triage, target.clone())
            } else {
                match with_query(&folded, target.query()) {
                    Some(target) => (triage, target),
                    None => return Course::Refuse(bad_path("it cannot be sent")),
                }
            }
        }
        Reading::Many { why, readings } => {
            let streams = |reading: &String| triage(reading) == Triage::Stream;
            let plainly_read = method.is_safe() && readings.is_some_and(|readings| readings.iter().all(streams));
            return if plainly_read && is_bare { Course::Relay } else { Course::Refuse(bad_path(why)) };
        }
    };
    match triage {
        // A read that brings a body is looked at: a lenient server may take the body for more than a read.
        Triage::Stream if method.is_safe() && !is_bare => Course::Read(target, READ_WITH_BODY),
        Triage::Stream => Course::Stream(target),
        Triage::Buffer(most) => Course::Read(target, most),
        Triage::Refuse(why) => Course::Refuse(not_understood(&why)),
    }
}

/// Why a body that has to be read will not be, by what its head says of it.
pub(super) fn unreadable(headers: &HeaderMap) -> Option<Refusal> {
    let mut coded = headers.get_all(header::CONTENT_ENCODING).iter();
    if coded.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return None;
    }
    let detail = "a request that may delete something cannot be read compressed";
    Some(because(415, "coded_body", detail, "send it without Content-Encoding"))
}

/// Whether a body is a form that asks for another verb.
pub(super) fn asks_for_another_verb(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        return body.windows(7).any(|word| word.eq_ignore_ascii_case(b"_method"));
    }
    // A form without its name is read as one by some servers; JSON has no bare `_method=`.
    !kind.to_ascii_lowercase().ends_with("json") && admit::overrides_verb(body)
}

fn with_query(path: &str, query: Option<&str>) -> Option<PathAndQuery> {
    let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let target = text.parse::<PathAndQuery>().ok()?;
    (target.as_str() == text).then_some(target)
}

/// What a request comes to, and the target with which it would leave: the same steps in one, for proofs.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn judge(
    dialect: &dyn Dialect,
    method: &Method,
    target: &PathAndQuery,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<(PathAndQuery, Recognised)> {
    match course(dialect, method, target, headers, body.is_empty()) {
        Course::Relay => Some((target.clone(), Recognised::NotADelete)),
        Course::Stream(target) => Some((target, Recognised::NotADelete)),
        Course::Refuse(_) => None,
        Course::Read(target, most) => {
            let fits = body.len() <= most && unreadable(headers).is_none() && !asks_for_another_verb(headers, body);
            let head = Head { method, path: target.path(), query: target.query(), headers };
            let recognised = dialect.recognise(&head, body);
            (fits && !matches!(recognised, Recognised::Unreadable(_))).then_some((target, recognised))
        }
    }
}
