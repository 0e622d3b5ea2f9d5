//! Headers that end here, headers that begin here.

use std::net::IpAddr;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, header::Entry};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is said about a client to the CRM, made once for each connection.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Where it asks from.
    pub(super) peer: IpAddr,
    address: HeaderValue,
    forwarded: HeaderValue,
}

impl Origin {
    /// Of a client at this address.
    pub(super) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let named = if address.is_ipv6() { format!("for=\"[{address}]\"") } else { format!("for={address}") };
        let value = |text: String| HeaderValue::from_str(&text).expect("an address is visible ASCII");
        Self { peer: address, address: value(address.to_string()), forwarded: value(named) }
    }
}

/// Takes from a request what concerns only this connection, what could change its verb on the way, and what it claims
/// about who sent it; says instead who did.
pub(super) fn request(headers: &mut HeaderMap, origin: &Origin) {
    take(headers, |name| ends_here(name) || only_request(name));
    headers.insert(FORWARDED_FOR, origin.address.clone());
    headers.insert(header::FORWARDED, origin.forwarded.clone());
}

/// Takes from an answer what concerns only the connection to the CRM.
pub(super) fn answer(headers: &mut HeaderMap) {
    take(headers, ends_here);
}

fn take(headers: &mut HeaderMap, ends: impl Fn(&str) -> bool) {
    // Allocates only if there is something to take.
    let mut taken: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let named = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        taken.extend(named.filter_map(|name| HeaderName::from_bytes(name).ok()));
    }
    taken.extend(headers.keys().filter(|name| ends(name.as_str())).cloned());
    for name in taken {
        // Neither framing nor routing is up to a client's `Connection` header; both are made anew anyway.
        if name != header::HOST
            && let Entry::Occupied(found) = headers.entry(name)
        {
            found.remove_entry_mult();
        }
    }
}

fn ends_here(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-")
}

fn only_request(name: &str) -> bool {
    match name.as_bytes()[0] {
        b'e' => name == "expect",
        b'f' => name == "forwarded",
        b't' => name == "trailers",
        b'x' => {
            // Some servers read an underscore as a dash.
            let is = |other: &str| {
                name.len() == other.len()
                    && name.bytes().zip(other.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'))
            };
            name.starts_with("x-forwarded")
                || name.starts_with("x_forwarded")
                || is("x-real-ip")
                || is("x-http-method-override")
                || is("x-method-override")
                || is("x-http-method")
                || is("x-original-method")
                // Some servers route by these instead of the request line.
                || is("x-original-url")
                || is("x-original-uri")
                || is("x-rewrite-url")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hop_by_hop_headers_end_here_and_the_rest_stays() {
        let mut headers = map(&[
            ("host", "a"),
            ("connection", "close, X-Mine"),
            ("connection", "x-other , host"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("x-other", "3"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "secret"),
            ("proxy-connection", "close"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-host", "evil"),
            ("x_forwarded_proto", "https"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("x-http-method-override", "DELETE"),
            ("x_http_method_override", "DELETE"),
            ("x-method-override", "DELETE"),
            ("x-http-method", "DELETE"),
            ("x-original-method", "DELETE"),
            ("x-original-url", "/api/v4/x"),
            ("x_original_uri", "/api/v4/x"),
            ("x-rewrite-url", "/api/v4/x"),
            ("expect", "100-continue"),
            ("x-requested-with", "XMLHttpRequest"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ]);
        request(&mut headers, &Origin::of("127.0.0.9".parse().unwrap()));
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        let expected = [
            "cookie: a=1",
            "cookie: b=2",
            "forwarded: for=127.0.0.9",
            "host: a",
            "x-forwarded-for: 127.0.0.9",
            "x-requested-with: XMLHttpRequest",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn an_answer_keeps_what_is_not_hop_by_hop() {
        let mut headers = map(&[("connection", "x-a"), ("x-a", "1"), ("set-cookie", "a"), ("etag", "\"x\"")]);
        answer(&mut headers);
        assert_eq!(headers, map(&[("set-cookie", "a"), ("etag", "\"x\"")]));
    }

    #[test]
    fn an_address_is_written_as_the_header_wants_it() {
        let v6 = Origin::of("::1".parse().unwrap());
        assert_eq!((v6.forwarded.to_str().unwrap(), v6.address.to_str().unwrap()), ("for=\"[::1]\"", "::1"));
        assert_eq!(Origin::of("::ffff:1.2.3.4".parse().unwrap()).forwarded, "for=1.2.3.4");
    }
}
