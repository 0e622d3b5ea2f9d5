//! What must hold for every input, for fuzzers and for the replay of what they have found. Built only with
//! the feature `fuzzing` and for tests; a build that serves has nothing of it.

use http::{HeaderMap, HeaderValue, Method, header};

use crate::crm::{Connector, Head, Triage};
use crate::domain::delete::{DeleteIntent, Effect, Recognised, Selection};

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const TYPES: [Option<&str>; 5] = [
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("multipart/form-data; boundary=b"),
    Some("text/plain"),
];
const ROUTES: [&str; 8] = [
    "/ajax/contacts/multiple/delete/",
    "/private/notes/edit2.php",
    "/ajax/v1/customers/set/",
    "/ajax/v1/catalog_elements/set/",
    "/ajax/v1/multiactions/set",
    "/private/deals/delete.php",
    "/contacts/detail/5",
    "/api/v2/customers",
];

/// How a request leaves for the CRM, to an account with nothing in the bin.
#[derive(Debug)]
pub enum Leaving {
    /// As no delete.
    Passes(http::Request<bytes::Bytes>),
    /// As a delete of these records, after their snapshots.
    Deletes(http::Request<bytes::Bytes>, Vec<String>),
}

/// How a request leaves, if it does. What cannot be brought back is refused, as it is unless the policy allows it; so
/// are deletes by an expression here, because only the CRM could tell what they name.
pub fn leaving(request: &http::Request<bytes::Bytes>) -> Option<Leaving> {
    let vendors = crate::crm::vendors();
    let dialect = vendors.first().expect("one vendor is built in");
    match crate::gateway::judge(dialect.as_ref(), request)? {
        (request, Recognised::NotADelete) => Some(Leaving::Passes(request)),
        (request, Recognised::Delete(intent)) => match (intent.effect, intent.selection) {
            (Effect::Destroy | Effect::Detach, Selection::Ids(ids)) => {
                Some(Leaving::Deletes(request, ids.iter().map(ToString::to_string).collect()))
            }
            _ => None,
        },
        (_, Recognised::Unreadable(_)) => None,
    }
}

/// Any bytes as a path.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    crate::gateway::read_path_alike(text);
}

/// Verb and type by the first byte, then path, query and body, each on a line of its own but the last.
pub fn classifier(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let path = parts.next().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let query = parts.next().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let (Some(path), Some(query)) = (path, query) else { return };
    let body = parts.next().unwrap_or_default();
    let method = &METHODS[usize::from(first % 7)];
    let kind = TYPES[usize::from(first / 7 % 5)];
    judge(method, path, (!query.is_empty()).then_some(query), kind, body);
}

/// The first byte chooses a route whose body deletes; the rest is the body.
pub fn body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let kind = TYPES[usize::from(first / 8 % 5)];
    judge(&Method::POST, ROUTES[usize::from(first % 8)], None, kind, body);
}

fn judge(method: &Method, path: &str, query: Option<&str>, kind: Option<&str>, body: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).expect("one of the list"));
    }
    let head = Head { method, path, query, headers: &headers };
    for dialect in crate::crm::vendors() {
        judged(dialect.as_ref(), &head, body);
    }
}

fn judged(dialect: &dyn Connector, head: &Head<'_>, body: &[u8]) {
    let first = dialect.recognise(head, body);
    assert_eq!(first, dialect.recognise(head, body), "the same request is read the same way");
    // A read that brings a body does not stream, whatever its head says.
    let streams = matches!(dialect.triage(head), Triage::Stream) && (body.is_empty() || !head.method.is_safe());
    if streams {
        assert_eq!(first, Recognised::NotADelete, "what streams is never read, so it must never be a delete");
    }
    if let Recognised::Delete(intent) = &first {
        names_something(intent);
    }
    // Names of records are found in any body, and each stands where it was found.
    let _ = dialect.names_in_head(head);
    let _ = dialect.names_in_body(head, body);
    let _ = dialect.rename(head, body, &|_| None);
}

/// A delete that can be restored names records, each once, by numbers that are written in one way only.
fn names_something(intent: &DeleteIntent) {
    let (Effect::Destroy, Selection::Ids(records)) = (&intent.effect, &intent.selection) else { return };
    assert!(!records.is_empty(), "{intent:?} destroys nothing");
    let mut seen = std::collections::HashSet::new();
    for record in records {
        assert!(seen.insert(record), "{record} stands twice");
        let plain = record.id.parse::<u64>().is_ok_and(|number| number.to_string() == record.id);
        assert!(plain, "{record} can be written in another way");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What the fuzzers were begun with and have found.
    fn replayed(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut count = 0;
        for file in std::fs::read_dir(&folder).expect("the corpus") {
            let path = file.expect("a file").path();
            run(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
            count += 1;
        }
        assert!(count >= 20, "{target}: {count} inputs");
    }

    #[test]
    fn what_was_fuzzed_before_still_holds() {
        replayed("path", super::path);
        replayed("classifier", super::classifier);
        replayed("body", super::body);
    }
}
