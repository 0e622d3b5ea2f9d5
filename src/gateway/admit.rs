//! What every request must be before anybody looks at its meaning.

use http::request::Parts;
use http::{HeaderMap, Method, Version, header};

use super::hosts::{self, Hosts};
use super::refusal::because;
use super::via::Via;
use crate::domain::delete::Refusal;

/// The verbs that are served, as `Allow` says them.
pub(super) const ALLOWED: &str = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE";

/// The account a request is for, or why it is not served.
pub(super) fn admit(parts: &Parts, hosts: &Hosts, via: &Via) -> Result<usize, Refusal> {
    verb(&parts.method)?;
    framing(&parts.headers)?;
    expectation(&parts.headers)?;
    let host = hosts::only_host(&parts.headers)?;
    if let Some(authority) = parts.uri.authority()
        && !host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_str()))
    {
        let detail = "the request line names another host than the Host header";
        return Err(because(400, "bad_target", detail, "send the path alone: GET /api/… HTTP/1.1"));
    }
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        let detail = "the request line names a scheme other than http";
        return Err(because(400, "bad_target", detail, "send the path alone: GET /api/… HTTP/1.1"));
    }
    if !parts.uri.path().starts_with('/') {
        let detail = "the request target is not a path";
        return Err(because(400, "bad_target", detail, "send the path alone: GET /api/… HTTP/1.1"));
    }
    if host.is_some_and(|host| !via.agrees(host)) {
        let detail = "the Host header names another host than the connection was made for";
        return Err(because(421, "host_mismatch", detail, "open a connection for each host"));
    }
    let account = match host {
        Some(host) => via.account().or_else(|| hosts.choose(host)),
        None if parts.version == Version::HTTP_10 && via.account().is_none() => hosts.takes_any(),
        None => {
            return Err(because(400, "bad_host", "the request has no Host header", "send one"));
        }
    };
    account.ok_or_else(|| {
        because(
            421,
            "unknown_host",
            "no connection is configured for this host",
            "add the host to `hosts` of a connection, or ask for one that is there",
        )
    })
}

/// An exact list: `delete` is another verb to us, and the same to some servers.
fn verb(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            Ok(())
        }
        Method::TRACE | Method::CONNECT => {
            Err(because(405, "bad_method", "this verb is not served here", "use one that the CRM's API documents"))
        }
        _ => Err(because(501, "bad_method", "this verb is not known here", "write verbs in capitals")),
    }
}

/// hyper has refused what it must (no final `chunked`, differing lengths, a length that is no number); it lets other
/// codings before `chunked` pass.
fn framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let exact = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if exact && !headers.contains_key(header::CONTENT_LENGTH) { Ok(()) } else { Err(two_lengths()) }
}

/// The length of the body is told in a way that servers read differently.
pub(super) fn two_lengths() -> Refusal {
    let detail = "the length of the body is given in a way that servers read differently";
    because(400, "bad_framing", detail, "send either Content-Length or Transfer-Encoding: chunked")
}

pub(super) fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get_all(header::EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(because(417, "bad_expectation", "only `Expect: 100-continue` can be met", "leave the header out"))
}

/// Whether this request may be followed by bytes that its sender thinks belong to it: it may change something, and
/// nothing says how long it is. Its connection is closed with the answer, so that they never become a request.
pub(super) fn is_unframed(parts: &Parts) -> bool {
    !parts.method.is_safe()
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
        && !parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether a query or a form asks for another verb than the one that was classified.
pub(super) fn overrides_verb(form: &[u8]) -> bool {
    // Cheap first: the word needs its letters, and an encoded underscore or letter needs a percent sign.
    (form.windows(6).any(|word| word.eq_ignore_ascii_case(b"method")) || form.contains(&b'%'))
        && form_urlencoded::parse(form).any(|(key, _)| {
            let key = key.trim();
            let name = key.find('[').map_or(key, |bracket| &key[..bracket]);
            name.eq_ignore_ascii_case("_method")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Settings;

    fn status(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> u16 {
        let hosts = Hosts::new(
            &Settings { hosts: vec![("a".into(), vec!["crm.example".into()])], ..Settings::default() },
            &["a"],
        );
        let request = build(http::Request::builder()).body(()).unwrap();
        admit(&request.into_parts().0, &hosts, &Via::plain()).map_or_else(|refusal| refusal.status, |_| 200)
    }

    #[test]
    fn verbs_are_an_exact_list() {
        for (verb, answer) in [
            ("GET", 200),
            ("HEAD", 200),
            ("OPTIONS", 200),
            ("POST", 200),
            ("PUT", 200),
            ("PATCH", 200),
            ("DELETE", 200),
            ("TRACE", 405),
            ("CONNECT", 405),
            ("delete", 501),
            ("Delete", 501),
            ("get", 501),
            ("PURGE", 501),
            ("MERGE", 501),
            ("DELETEX", 501),
        ] {
            assert_eq!(status(|r| r.method(verb).uri("/x").header("host", "crm.example")), answer, "{verb}");
        }
    }

    #[test]
    fn one_host_of_ours_and_no_other() {
        assert_eq!(status(|r| r.uri("/x").header("host", "crm.example:8080")), 200);
        assert_eq!(status(|r| r.uri("/x")), 400);
        assert_eq!(status(|r| r.uri("/x").header("host", "crm.example").header("host", "crm.example")), 400);
        assert_eq!(status(|r| r.uri("/x").header("host", "x/y@z")), 400);
        assert_eq!(status(|r| r.uri("/x").header("host", "evil.example")), 421);
        assert_eq!(status(|r| r.uri("http://crm.example/x").header("host", "crm.example")), 200);
        assert_eq!(status(|r| r.uri("http://evil.example/x").header("host", "crm.example")), 400);
        assert_eq!(status(|r| r.uri("ftp://crm.example/x").header("host", "crm.example")), 400);
        assert_eq!(status(|r| r.uri("http://evil.example/x").header("host", "evil.example")), 421);
        assert_eq!(status(|r| r.uri("http://u@crm.example/x").header("host", "crm.example")), 400);
        assert_eq!(status(|r| r.method("OPTIONS").uri("*").header("host", "crm.example")), 400);
    }

    #[test]
    fn framing_and_expectations_have_one_reading() {
        let with = |name: &str, value: &str| status(|r| r.uri("/x").header("host", "crm.example").header(name, value));
        assert_eq!(with("transfer-encoding", "chunked"), 200);
        assert_eq!(with("transfer-encoding", "Chunked"), 200);
        for bad in ["gzip, chunked", "chunked, chunked", "identity", "x", " chunked;q=1"] {
            assert_eq!(with("transfer-encoding", bad), 400, "{bad}");
        }
        assert_eq!(with("expect", "100-Continue"), 200);
        assert_eq!(with("expect", "a miracle"), 417);
        let both = |r: http::request::Builder| {
            r.uri("/x")
                .header("host", "crm.example")
                .header("transfer-encoding", "chunked")
                .header("content-length", "1")
        };
        assert_eq!(status(both), 400);
    }

    #[test]
    fn a_form_that_asks_for_another_verb_is_seen() {
        for bad in ["_method=DELETE", "a=1&_METHOD=x", "%5Fmethod=DELETE", "_m%65thod=1", "_method[]=a", "+_method=a"] {
            assert!(overrides_verb(bad.as_bytes()), "{bad}");
        }
        for good in ["", "method=DELETE", "a=_method", "x_method=1", "pay%20method=2"] {
            assert!(!overrides_verb(good.as_bytes()), "{good}");
        }
    }
}
