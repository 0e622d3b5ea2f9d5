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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::crm::vendors;

    fn judged(method: &str, target: &str, headers: &[(&'static str, &'static str)], body: &str) -> String {
        let (method, target) = (method.parse().unwrap(), target.parse().unwrap());
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), HeaderValue::from_static(value)));
        match judge(&*vendors()[0], &method, &target, &headers.collect(), body.as_bytes()) {
            None => "refused".to_owned(),
            Some((target, Recognised::NotADelete)) => format!("passes as {target}"),
            Some((target, Recognised::Delete(_))) => format!("deletes as {target}"),
            Some((_, Recognised::Unreadable(why))) => panic!("{why}"),
        }
    }

    #[test]
    fn what_is_classified_is_what_leaves() {
        let delete = "/ajax/leads/multiple/delete/";
        for (method, target, body, course) in [
            ("GET", "/api/v4/leads?a[]=1", "", "passes as /api/v4/leads?a[]=1"),
            ("GET", "//api//v4/leads", "", "passes as //api//v4/leads"),
            ("POST", "//api//v4/leads?x", "[]", "passes as /api/v4/leads?x"),
            ("GET", "/api/v4/%6ceads", "", "passes as /api/v4/%6ceads"),
            ("GET", "/api/v4/%6ceads", "{}", "refused"),
            ("GET", "/api/v4/leads", "{}", "passes as /api/v4/leads"),
            ("GET", "/api/v4/leads", "{\"filter\":{\"id\":[5]}}", "passes as /api/v4/leads"),
            ("GET", "/ajax/leads", "{\"a\":[{\"ID\":{\"id\":5}}]}", "refused"),
            ("POST", "/api/v4/%6ceads", "", "refused"),
            ("POST", "/oauth2/%61ccess_token", "", "refused"),
            ("POST", "/api/v4/%6ceads", "[]", "refused"),
            ("POST", "/api/v4/leads?_method=delete", "[]", "refused"),
            ("DELETE", "/api/v4/unheard/5", "", "refused"),
            ("POST", delete, "ID[]=5", "deletes as /ajax/leads/multiple/delete/"),
            ("POST", "//ajax/leads//multiple/delete/", "ID[]=5", "deletes as /ajax/leads/multiple/delete/"),
            ("POST", delete, "ID[]=5&_method=PUT", "refused"),
            ("POST", delete, "ID[]=", "refused"),
        ] {
            assert_eq!(judged(method, target, &[], body), course, "{method} {target} {body}");
        }
    }

    #[test]
    fn what_a_body_is_declared_to_be_may_stop_it() {
        let path = "/ajax/v1/unheard/of";
        let at = |headers: &[(&'static str, &'static str)], body: &str| judged("POST", path, headers, body);
        let passes = "passes as /ajax/v1/unheard/of";
        assert_eq!(at(&[("content-encoding", "identity")], "a=1"), passes);
        assert_eq!(at(&[("content-encoding", "identity"), ("content-encoding", "br")], "a=1"), "refused");
        let parts = [("content-type", "Multipart/Form-Data; boundary=b")];
        let part = |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n--b--");
        assert_eq!(at(&parts, &part("a")), passes);
        assert_eq!(at(&parts, &part("_Method")), "refused");
        assert_eq!(at(&[("content-type", "application/json")], "{\"a\":\"b\"}"), passes);
    }
}
