//! Finding the CRM's own address in JSON as it streams by, and putting the gateway's in its place. Pure.
//!
//! Only where it begins a JSON string, and only the whole address: what people wrote into a note in the middle of other
//! text stays theirs.

use bytes::Bytes;
use regex::bytes::Regex;

/// The CRM's address, as it can stand in JSON.
#[derive(Clone, Debug)]
pub(super) struct Address {
    plain: String,
    /// With the quotation mark before it, in both spellings.
    quoted: [Vec<u8>; 2],
    finder: Regex,
}

impl Address {
    /// Of `https://acme.example`.
    pub(super) fn new(origin: &str) -> Self {
        let escaped = origin.replace('/', "\\/");
        let pattern = format!("\"(?:{}|{})", regex::escape(origin), regex::escape(&escaped));
        Self {
            plain: origin.to_owned(),
            quoted: [format!("\"{origin}").into_bytes(), format!("\"{escaped}").into_bytes()],
            finder: Regex::new(&pattern).expect("an escaped text is a pattern"),
        }
    }

    /// A header value that begins with the address, with `other` in its place.
    pub(super) fn replace_start(&self, value: &str, other: &str) -> Option<String> {
        let rest = value.strip_prefix(&self.plain)?;
        (rest.is_empty() || ends_an_address(rest.as_bytes()[0])).then(|| format!("{other}{rest}"))
    }

    /// A `Link` header with `other` in place of the address in each target.
    pub(super) fn replace_targets(&self, value: &str, other: &str) -> Option<String> {
        let mut changed = false;
        let mut pieces = value.split('<');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            out.push('<');
            match self.replace_start(piece, other) {
                Some(piece) => {
                    changed = true;
                    out.push_str(&piece);
                }
                None => out.push_str(piece),
            }
        }
        changed.then_some(out)
    }
}

fn ends_an_address(byte: u8) -> bool {
    matches!(byte, b'"' | b'/' | b'\\' | b'?' | b'#' | b'>')
}

/// Puts another address in the place of the CRM's, in bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Rewriter {
    address: std::sync::Arc<Address>,
    /// With the quotation mark, spelled as those of the address.
    other: [Vec<u8>; 2],
    /// The beginning of what may become a match with the next piece.
    held: Vec<u8>,
    /// The last byte before `held`.
    before: u8,
    changed: bool,
}

impl Rewriter {
    /// `other` as in `http://127.0.0.1:8080`.
    pub(super) fn new(address: std::sync::Arc<Address>, other: &str) -> Self {
        let escaped = other.replace('/', "\\/");
        let other = [format!("\"{other}").into_bytes(), format!("\"{escaped}").into_bytes()];
        Self { address, other, held: Vec::new(), before: b' ', changed: false }
    }

    /// Whether anything was replaced so far.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// The next piece. Bytes in which there is nothing to do are handed on as they are.
    pub(super) fn push(&mut self, piece: Bytes) -> Bytes {
        if piece.is_empty() {
            return piece;
        }
        if self.held.is_empty() && self.held_back(&piece) == piece.len() && !self.address.finder.is_match(&piece) {
            self.before = piece[piece.len() - 1];
            return piece;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&piece);
        let end = self.held_back(&text);
        let out = self.replaced(&text, end);
        if end > 0 {
            self.before = text[end - 1];
        }
        self.held = text.split_off(end);
        Bytes::from(out)
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.held))
    }

    /// Where the tail begins that cannot be judged before more has come.
    fn held_back(&self, text: &[u8]) -> usize {
        let longest = self.address.quoted[1].len();
        let window = text.len().saturating_sub(longest);
        (window..text.len())
            .filter(|at| text[*at] == b'"')
            .find(|at| self.address.quoted.iter().any(|quoted| quoted.starts_with(&text[*at..])))
            .unwrap_or(text.len())
    }

    fn replaced(&mut self, text: &[u8], end: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(end);
        let mut copied = 0;
        for found in self.address.finder.find_iter(&text[..end]) {
            let before = if found.start() == 0 { self.before } else { text[found.start() - 1] };
            let opens = matches!(before, b':' | b',' | b'[' | b'{') || before.is_ascii_whitespace();
            let whole = text.get(found.end()).is_some_and(|byte| ends_an_address(*byte));
            if opens && whole {
                let spelling = usize::from(found.as_bytes() == self.address.quoted[1]);
                out.extend_from_slice(&text[copied..found.start()]);
                out.extend_from_slice(&self.other[spelling]);
                copied = found.end();
                self.changed = true;
            }
        }
        out.extend_from_slice(&text[copied..end]);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;

    fn address() -> Arc<Address> {
        Arc::new(Address::new("https://acme.example"))
    }

    fn rewrite(pieces: &[&[u8]]) -> (String, bool) {
        let mut rewriter = Rewriter::new(address(), "http://127.0.0.1:8080");
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&rewriter.finish());
        (String::from_utf8(out).unwrap(), rewriter.changed())
    }

    const CASES: &[(&str, &str)] = &[
        (r#"{"href":"https://acme.example/api?page=2"}"#, r#"{"href":"http://127.0.0.1:8080/api?page=2"}"#),
        (r#"{"href": "https:\/\/acme.example\/api"}"#, r#"{"href": "http:\/\/127.0.0.1:8080\/api"}"#),
        (
            r#"["https://acme.example","https://acme.example?a"]"#,
            r#"["http://127.0.0.1:8080","http://127.0.0.1:8080?a"]"#,
        ),
        (r#"{"t":"see https://acme.example/x"}"#, r#"{"t":"see https://acme.example/x"}"#),
        (r#"{"t":"<a href=\"https://acme.example/x\">"}"#, r#"{"t":"<a href=\"https://acme.example/x\">"}"#),
        (r#"{"t":"https://acme.example.evil/x"}"#, r#"{"t":"https://acme.example.evil/x"}"#),
        (r#"{"t":"https://acme.example:8443/x"}"#, r#"{"t":"https://acme.example:8443/x"}"#),
        (r#"{"t":"https://acme.exampl"}"#, r#"{"t":"https://acme.exampl"}"#),
        (r#"{"t":"http://acme.example/x"}"#, r#"{"t":"http://acme.example/x"}"#),
        (r#"{"t":"https://acme.example"#, r#"{"t":"https://acme.example"#),
        ("", ""),
    ];

    #[test]
    fn only_the_whole_address_at_the_start_of_a_string_is_replaced() {
        for (before, after) in CASES {
            assert_eq!(rewrite(&[before.as_bytes()]), ((*after).to_owned(), before != after), "{before}");
        }
    }

    #[test]
    fn it_does_not_matter_where_the_pieces_end() {
        for (before, after) in CASES {
            for cut in 0..before.len() {
                let (a, b) = before.as_bytes().split_at(cut);
                assert_eq!(rewrite(&[a, b]).0, *after, "{before} cut at {cut}");
            }
            let single: Vec<&[u8]> = before.as_bytes().chunks(1).collect();
            assert_eq!(rewrite(&single).0, *after, "{before} byte by byte");
        }
    }

    #[test]
    fn untouched_pieces_are_the_same_memory() {
        let mut rewriter = Rewriter::new(address(), "http://a");
        let piece = Bytes::from_static(br#"{"a":"b"}"#);
        assert_eq!(rewriter.push(piece.clone()).as_ptr(), piece.as_ptr());
    }

    #[test]
    fn headers_lead_back_too() {
        let address = address();
        assert_eq!(address.replace_start("https://acme.example/x", "http://a").as_deref(), Some("http://a/x"));
        assert_eq!(address.replace_start("https://acme.example", "http://a").as_deref(), Some("http://a"));
        assert_eq!(address.replace_start("https://acme.example.evil/", "http://a"), None);
        let link = "<https://acme.example/a>; rel=next, <https://b.example/>; rel=x, <https://acme.example/c>";
        let told = "<http://a/a>; rel=next, <https://b.example/>; rel=x, <http://a/c>";
        assert_eq!(address.replace_targets(link, "http://a").as_deref(), Some(told));
        assert_eq!(address.replace_targets("</x>; rel=a", "http://a"), None);
    }

    proptest! {
        #[test]
        fn pieces_and_the_whole_come_out_the_same(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("\"https://acme.example".to_owned()), Just("\"https:\\/\\/acme.example".to_owned()),
                    Just("\"https://acme".to_owned()), Just(":".to_owned()), Just("/".to_owned()),
                    Just("\"".to_owned()), Just("\\".to_owned()), "[a-z:/]{0,3}".prop_map(|s| s),
                ], 0..12),
            cuts in proptest::collection::vec(1usize..7, 1..40),
        ) {
            let text = words.concat();
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle().take(400) {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            prop_assert_eq!(rewrite(&pieces), rewrite(&[text.as_bytes()]));
        }
    }
}
