//! The most lenient CRM anybody could fear: it reads a request in every helpful way at once, before it acts on it.
//!
//! Off by default; the switch is `lax`. It is made of what servers, frameworks and PHP are known to do: merge slashes,
//! decode more than once, turn backslashes, drop path parameters, resolve dots, ignore case, obey method overrides, take
//! ids from the query, unpack bodies whatever they are packed in. A gateway that reads less than this lets deletes pass.

use std::io::Read;

use bytes::Bytes;
use http::{Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::query::Query;
use crate::request::Request;
use crate::vendors::amocrm;

/// An unpacked body is at most this long.
const UNPACKED: u64 = 8 << 20;
const OVERRIDES: [&str; 4] = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method"];
/// Headers that some frameworks route by.
const ROUTES: [&str; 3] = ["x-original-url", "x-original-uri", "x-rewrite-url"];

/// The request as the most lenient server understands it.
pub fn read(mut request: Request) -> Request {
    for (name, value) in &request.headers {
        if ROUTES.contains(&name.as_str().replace('_', "-").as_str()) {
            value.to_str().unwrap_or_default().clone_into(&mut request.path);
        }
    }
    request.path = resolved(&request.path);
    request.body = unpacked(&request);
    if let Some(form) = multipart(&request) {
        request.body = form;
    }
    request.method = verb(&request);
    if is_private(&request.path) {
        let tree = everything(&request);
        let asked = request.method == Method::GET || request.method == Method::HEAD;
        if asked && tree.as_object().is_some_and(|tree| !tree.is_empty()) {
            request.method = Method::POST;
        }
        request.body = Bytes::from(tree.to_string());
    }
    request
}

/// Decoded until nothing is left to decode, slashes merged, dots resolved, parameters and control characters dropped.
fn resolved(path: &str) -> String {
    let mut text = path.to_owned();
    for _ in 0..4 {
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    let text: String = text.chars().filter(|char| !char.is_control()).collect();
    let text = text.replace('\\', "/").to_ascii_lowercase();
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default().trim().trim_end_matches('.') {
            "" if segment.starts_with("..") => {
                kept.pop();
            }
            "" => {}
            name => kept.push(name),
        }
    }
    format!("/{}", kept.join("/"))
}

fn verb(request: &Request) -> Method {
    let mut wanted = request.method.as_str().to_owned();
    for (name, value) in &request.headers {
        if OVERRIDES.contains(&name.as_str().replace('_', "-").as_str()) {
            value.to_str().unwrap_or_default().clone_into(&mut wanted);
        }
    }
    let named = |query: &Query| {
        let found = query.pairs().iter().find(|(key, _)| key.trim().eq_ignore_ascii_case("_method"));
        found.map(|(_, value)| value.clone())
    };
    if let Some(value) = named(&request.form()).or_else(|| named(&request.query)) {
        wanted = value;
    } else if let Some(value) = request.json().and_then(|body| Some(body.get("_method")?.as_str()?.to_owned())) {
        wanted = value;
    }
    Method::from_bytes(wanted.trim().to_ascii_uppercase().as_bytes()).unwrap_or_else(|_| request.method.clone())
}

fn unpacked(request: &Request) -> Bytes {
    let mut bytes = request.body.to_vec();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut whole = Vec::new();
        if flate2::read::GzDecoder::new(&bytes[..]).take(UNPACKED).read_to_end(&mut whole).is_ok() {
            bytes = whole;
        }
    } else if request.header(header::CONTENT_ENCODING.as_str()).is_some_and(|coding| coding.contains("deflate")) {
        let mut whole = Vec::new();
        if flate2::read::ZlibDecoder::new(&bytes[..]).take(UNPACKED).read_to_end(&mut whole).is_ok() {
            bytes = whole;
        }
    }
    let wide = |pairs: &[u8], number: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units).into_bytes()
    };
    let bytes = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        [0, _, ..] => wide(&bytes, u16::from_be_bytes),
        [_, 0, ..] => wide(&bytes, u16::from_le_bytes),
        _ => bytes,
    };
    Bytes::from(bytes)
}

/// The fields of a multipart body as a form, found by their names alone.
fn multipart(request: &Request) -> Option<Bytes> {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    if !text.trim_start().starts_with("--") {
        return None;
    }
    let boundary = text.trim_start().lines().next()?.to_owned();
    let mut form = form_urlencoded::Serializer::new(String::new());
    for part in text.split(&boundary) {
        let Some((_, named)) = part.split_once("name=") else { continue };
        let name: String = named.trim_start_matches('"').chars().take_while(|c| !"\"\r\n;".contains(*c)).collect();
        let value = named.split_once("\r\n\r\n").or_else(|| named.split_once("\n\n")).map_or("", |(_, value)| value);
        form.append_pair(&name, value.trim());
    }
    Some(Bytes::from(form.finish()))
}

fn is_private(path: &str) -> bool {
    ["/ajax/", "/private/", "/api/v2/"].iter().any(|prefix| path.starts_with(prefix)) || path.contains("/detail/")
}

/// Query and body as one tree, as PHP's `$_REQUEST` has them, with names and words in the case that the routes know.
fn everything(request: &Request) -> Value {
    let mut all = Map::new();
    let query = amocrm::form_tree(&request.query);
    let body = match request.json() {
        Some(body @ Value::Object(_)) => body,
        _ => amocrm::form_tree(&request.form()),
    };
    for tree in [query, body] {
        let Value::Object(tree) = tree else { continue };
        for (key, value) in tree {
            let key = key.trim().trim_end_matches('\0').to_owned();
            let known = ["ID", "ACTION"].into_iter().find(|known| key.eq_ignore_ascii_case(known));
            let known =
                known.or_else(|| ["request", "delete"].into_iter().find(|known| key.eq_ignore_ascii_case(known)));
            let value = match value {
                Value::String(word) if known == Some("ACTION") => Value::String(word.trim().to_ascii_uppercase()),
                value => value,
            };
            all.insert(known.map_or(key, str::to_owned), value);
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn understood(
        method: &str,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> (String, String, String) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let body = Bytes::copy_from_slice(body);
        let request = read(Request::new(1, method.parse().expect("a verb"), target, map, body));
        (request.method.to_string(), request.path, String::from_utf8_lossy(&request.body).into_owned())
    }

    #[test]
    fn it_understands_what_nobody_should() {
        for target in [
            "/x/../ajax/leads/multiple/delete/",
            "//AJAX/leads;v=1/multiple%2fdelete",
            "/ajax/%256ceads/./multiple\\delete/",
            "/ajax/leads/multiple/delete%00/",
        ] {
            let (_, path, _) = understood("POST", target, &[], b"");
            assert_eq!(path, "/ajax/leads/multiple/delete", "{target}");
        }
        let v4 = "/api/v4/customers/transactions/1";
        assert_eq!(understood("delete", v4, &[], b"").0, "DELETE");
        assert_eq!(understood("POST", v4, &[("x_http_method_override", "Delete")], b"").0, "DELETE");
        assert_eq!(understood("POST", &format!("{v4}?_method=delete"), &[], b"").0, "DELETE");
        assert_eq!(understood("POST", v4, &[], br#"{"_method":"DELETE"}"#).0, "DELETE");
        let page = "/ajax/leads/multiple/delete/";
        let got = understood("GET", "/ajax/leads/multiple/delete/?id[]=5&action=delete", &[], b"");
        assert_eq!((got.0.as_str(), got.2.as_str()), ("POST", r#"{"ID":{"0":"5"},"ACTION":"DELETE"}"#));
        let wide: Vec<u8> = "\u{feff}ID=5".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(understood("POST", page, &[], &wide).2, r#"{"ID":"5"}"#);
        let parts = b"--b\r\nContent-Disposition: form-data; name=\"ID\"\r\n\r\n5\r\n--b--";
        assert_eq!(understood("POST", page, &[], parts).2, r#"{"ID":"5"}"#);
    }
}
