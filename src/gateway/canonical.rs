//! One path, read the same by us and by the CRM. Pure.
//!
//! A server in front of the CRM may decode, merge and resolve a path before it routes it, and so see a delete where we
//! see none. So a path that can be read in more than one way is refused, unless it is a plain read in every reading.

use std::borrow::Cow;

use crate::domain::spelling;
use crate::proofs::bite;

/// What a path can be taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// It can be read in one way only. Repeated slashes are folded.
    One(Cow<'a, str>),
    /// It can be read in several ways.
    Many {
        /// Why, in plain words.
        why: &'static str,
        /// Some of them: with folded slashes, and with everything decoded and resolved. Nothing if the path was encoded
        /// over and over.
        readings: Option<[String; 2]>,
    },
}

/// Reads a path as it came in the request line.
pub(super) fn read(path: &str) -> Reading<'_> {
    if let Some(why) = odd(path).filter(|_| !bite("raw_path")) {
        let readings = resolve(path).map(|resolved| [fold(path).into_owned(), resolved]);
        return Reading::Many { why, readings };
    }
    Reading::One(fold(path))
}

/// Why a path can be read in several ways, if it can. Repeated slashes alone do not count.
fn odd(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Some("it does not begin with a slash");
    }
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => return Some("it has a backslash"),
            b';' => return Some("it has a semicolon"),
            b'/' if is_dots(segment(&bytes[at + 1..])) => return Some("it has a dot segment"),
            0..=b' ' | 0x7f => return Some("it has a control character or a space"),
            0x80.. => return Some("it has a character outside ASCII"),
            b'%' => {
                let Some(decoded) = decode(&bytes[at + 1..]) else {
                    return Some("a percent sign is not followed by two hexadecimal digits");
                };
                if let Some(why) = odd_encoded(decoded) {
                    return Some(why);
                }
                at += 2;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Why a byte may not come percent-encoded, if it may not.
fn odd_encoded(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            "it has an encoded letter, digit or one of -._~"
        }
        b'/' | b'\\' => "it has an encoded slash or backslash",
        b';' => "it has an encoded semicolon",
        b'%' => "it is encoded twice",
        0..=0x1f | 0x7f => "it has an encoded control character",
        0x80.. => "it has an encoded character outside ASCII",
        _ => return None,
    })
}

fn segment(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    &rest[..end]
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

fn decode(rest: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(rest.first()?)? << 4 | digit(rest.get(1)?)?)
}

fn fold(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut folded = String::with_capacity(path.len());
    for char in path.chars() {
        if char != '/' || !folded.ends_with('/') {
            folded.push(char);
        }
    }
    Cow::Owned(folded)
}

/// What the most helpful server would make of it: decoded until nothing is left to decode, control characters dropped,
/// backslashes turned, path parameters dropped, dot segments resolved. Nothing if there is no end to the decoding.
fn resolve(path: &str) -> Option<String> {
    let text = spelling::decoded(path)?;
    let text = text.replace('\\', "/");
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut resolved = format!("/{}", kept.join("/"));
    if text.ends_with('/') && resolved.len() > 1 {
        resolved.push('/');
    }
    Some(resolved)
}

/// What must hold for every text.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn read_alike(text: &str) {
    let Reading::One(one) = read(text) else { return };
    assert!(!one.contains("//"), "{one} is not folded");
    assert_eq!(read(&one), Reading::One(Cow::Borrowed(one.as_ref())), "folded twice is folded once");
    let decoded = percent_encoding::percent_decode_str(&one).decode_utf8_lossy().into_owned();
    assert_eq!(decoded.matches('/').count(), one.matches('/').count(), "a slash was hidden in {one}");
    assert_eq!(resolve(&one), Some(decoded), "{one} resolves to something else");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_one_reading_passes_and_repeated_slashes_are_folded() {
        for (path, read_as) in [
            ("/", "/"),
            ("/api/v4/leads", "/api/v4/leads"),
            ("/api/v4/leads/", "/api/v4/leads/"),
            ("//api/v4/leads", "/api/v4/leads"),
            ("/api///v4//leads//", "/api/v4/leads/"),
            ("//evil.example/x", "/evil.example/x"),
            ("/a/.well-known/..b/c.", "/a/.well-known/..b/c."),
            ("/a/%20%5B1%5d%3A", "/a/%20%5B1%5d%3A"),
            ("/a@b:c,d+e=f&g!h$i'(j)*", "/a@b:c,d+e=f&g!h$i'(j)*"),
        ] {
            assert_eq!(read(path), Reading::One(read_as.into()), "{path}");
        }
    }

    #[test]
    fn what_has_several_readings_does_not() {
        for (path, resolved) in [
            ("/x/%2e%2e/api/v4/leads/1", "/api/v4/leads/1"),
            ("/x/../api", "/api"),
            ("/x/..", "/"),
            ("/./api", "/api"),
            ("/api/%76%34/leads", "/api/v4/leads"),
            ("/api/v%34/leads", "/api/v4/leads"),
            ("/multiple%5Fdelete", "/multiple_delete"),
            ("/api%2fv4", "/api/v4"),
            ("/api%2Fv4", "/api/v4"),
            ("/api%5cv4", "/api/v4"),
            ("/api\\v4", "/api/v4"),
            ("/api;a=b/v4", "/api/v4"),
            ("/api%3Ba=b/v4", "/api/v4"),
            ("/api%252fv4", "/api/v4"),
            ("/api/%2576%2534", "/api/v4"),
            ("/api/v4%00", "/api/v4"),
            ("/api/v4%0d%0a", "/api/v4"),
            ("/api/v4%7f", "/api/v4"),
            ("/api/v4%", "/api/v4%"),
            ("/api/v4%4", "/api/v4%4"),
            ("/api/v4%zz", "/api/v4%zz"),
            ("/api/%%0976%25252534", "/api/v4"),
            ("/имя", "/имя"),
            ("/%D0%B8", "/и"),
            ("*", "/*"),
            ("", "/"),
        ] {
            let Reading::Many { readings: Some(readings), .. } = read(path) else { panic!("{path} passed") };
            assert_eq!(readings[1], resolved, "{path}");
        }
        let Reading::Many { readings: Some(readings), .. } = read("/a//%2e/b") else { panic!("it passed") };
        assert_eq!(readings[0], "/a/%2e/b");
        let over_and_over = format!("/a/%{}64", "25".repeat(2_000));
        assert!(matches!(read(&over_and_over), Reading::Many { readings: None, .. }));
    }

    proptest! {
        #[test]
        fn one_reading_means_that_resolving_changes_nothing(path in "/[a-c/%.;\\\\0-9A-F_~é ]{0,24}") {
            read_alike(&path);
        }

        #[test]
        fn folding_twice_is_folding_once(path in "[a-z/]{0,24}") {
            let once = fold(&path).into_owned();
            prop_assert_eq!(fold(&once), once.as_str());
            prop_assert!(!once.contains("//"));
        }

        #[test]
        fn any_text_is_read_without_panic(path in "\\PC{0,40}") {
            let _ = read(&path);
        }
    }
}
