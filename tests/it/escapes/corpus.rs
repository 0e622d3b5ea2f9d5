//! The notation of the corpus: bytes of a request, written so that a person can read them.
//!
//! | written | is |
//! | --- | --- |
//! | `\r \n \t \0 \\ \xNN` | that byte |
//! | `{V}` | ` HTTP/1.1`, a line end, `{H}` |
//! | `{H}`, `{A}` | the headers Host, Authorization, X-Requested-With; the same without Host |
//! | `{F}`, `{J}`, `{N}` | the header of a form, of JSON; a line end |
//! | `{h}`, `{T}` | the host of the connection, a token that is valid |
//! | `{P}` | the header `Connection: close` |
//! | `{c} {m} {l} {o} {t} {n} {u} {x} {s} {e} {g}` | the id of a contact, another contact, lead, company, task, note, customer, purchase, segment, element of a list, list of this line's own |
//! | `{d}`, `{k}` | a lead and the contact linked to it |
//! | `{q}`, `{i}` | `{c}` as one chunk; the same with `ID[]=` before it |
//! | `{B}` … `{E}` | `Content-Length`, the end of the head, the body. `{E}` may be left out at the end |
//! | `{C}` … | the same in one chunk |
//! | `{Z}` …, `{z}` … | the same as gzip, with the header and without |
//! | `{W}` …, `{w}` … | the same as UTF-16, with a byte order mark and without |

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::support::CALLER;

/// The Host of the connection.
pub const HOST: &str = "crm.example";
/// Kinds of ids in the notation.
pub const KINDS: [char; 13] = ['c', 'm', 'l', 'o', 't', 'n', 'u', 'x', 's', 'e', 'g', 'd', 'k'];
const FILES: [(&str, &str); 11] = [
    ("forms", include_str!("forms.txt")),
    ("framing", include_str!("framing.txt")),
    ("hosts", include_str!("hosts.txt")),
    ("json", include_str!("json.txt")),
    ("old_api", include_str!("old_api.txt")),
    ("overrides", include_str!("overrides.txt")),
    ("packed", include_str!("packed.txt")),
    ("paths", include_str!("paths.txt")),
    ("unlink", include_str!("unlink.txt")),
    ("verbs", include_str!("verbs.txt")),
    ("web", include_str!("web.txt")),
];

/// What becomes of a spelling, beside that nothing escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Not certain (`-`).
    Any,
    /// It is answered with this.
    Status(u16),
    /// It deletes, and was archived before.
    Archived,
    /// An error, or no answer, and nothing is gone.
    Refused,
    /// Nothing is gone.
    Harmless,
}

impl Expect {
    fn parse(word: &str) -> Self {
        match word {
            "-" => Self::Any,
            "archived" => Self::Archived,
            "refused" => Self::Refused,
            "harmless" => Self::Harmless,
            status => Self::Status(status.parse().unwrap_or_else(|_| panic!("{status} is no expectation"))),
        }
    }

    /// Whether it came so. A status of 0: there was no answer.
    pub fn is_met(self, status: u16, deletes: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Status(expected) => status == expected,
            Self::Archived => deletes,
            Self::Refused => !deletes && (status == 0 || status >= 400),
            Self::Harmless => !deletes,
        }
    }
}

/// One line of the corpus.
#[derive(Clone, Debug)]
pub struct Line {
    pub file: &'static str,
    pub number: usize,
    pub expect: Expect,
    pub reason: &'static str,
    pub request: String,
}

/// Every line of every file.
pub fn corpus() -> Vec<Line> {
    let mut lines = Vec::new();
    for (file, text) in FILES {
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let mut parts = line.splitn(3, " | ");
            let mut part = || parts.next().unwrap_or_else(|| panic!("{file}.txt:{}: three parts", at + 1));
            let (expect, reason, request) = (part(), part(), part().to_owned());
            lines.push(Line { file, number: at + 1, expect: Expect::parse(expect), reason, request });
        }
    }
    lines
}

/// The kinds of ids a request asks for.
pub fn kinds(request: &str) -> BTreeSet<char> {
    let mut found: BTreeSet<char> = KINDS.into_iter().filter(|kind| request.contains(&format!("{{{kind}}}"))).collect();
    if request.contains("{q}") || request.contains("{i}") {
        found.insert('c');
    }
    if found.contains(&'k') {
        found.insert('d');
    }
    found
}

/// The bytes of a request.
pub fn bytes(request: &str, id: &dyn Fn(char) -> u64) -> Vec<u8> {
    let heads = format!("Authorization: Bearer {CALLER}\r\nX-Requested-With: XMLHttpRequest\r\n");
    let mut done: Vec<u8> = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut rest = request;
    while let Some(first) = rest.chars().next() {
        let macro_name = rest.strip_prefix('{').and_then(|inner| {
            let name = inner.chars().next()?;
            inner[name.len_utf8()..].starts_with('}').then_some(name)
        });
        if let Some(name) = macro_name {
            rest = &rest[3..];
            match name {
                'V' => done.extend(format!(" HTTP/1.1\r\nHost: {HOST}\r\n{heads}").bytes()),
                'H' => done.extend(format!("Host: {HOST}\r\n{heads}").bytes()),
                'A' => done.extend(heads.bytes()),
                'F' => done.extend(b"Content-Type: application/x-www-form-urlencoded\r\n"),
                'J' => done.extend(b"Content-Type: application/json\r\n"),
                'N' => done.extend(b"\r\n"),
                'h' => done.extend(HOST.bytes()),
                'T' => done.extend(CALLER.bytes()),
                'P' => done.extend(b"Connection: close\r\n"),
                'q' | 'i' => {
                    let data = format!("{}{}", if name == 'i' { "ID[]=" } else { "" }, id('c'));
                    done.extend(format!("{:x}\r\n{data}\r\n", data.len()).bytes());
                }
                'B' | 'C' | 'Z' | 'z' | 'W' | 'w' => open = Some((name, done.len())),
                'E' => close(&mut done, open.take()),
                kind if KINDS.contains(&kind) => done.extend(id(kind).to_string().bytes()),
                other => done.extend(format!("{{{other}}}").bytes()),
            }
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            let (byte, length) = match escaped.as_bytes() {
                [b'r', ..] => (b'\r', 1),
                [b'n', ..] => (b'\n', 1),
                [b't', ..] => (b'\t', 1),
                [b'0', ..] => (0, 1),
                [b'x', ..] => (u8::from_str_radix(escaped.get(1..3).unwrap_or("5c"), 16).unwrap_or(b'\\'), 3),
                [_, ..] => (escaped.as_bytes()[0], 1),
                [] => (b'\\', 0),
            };
            done.push(byte);
            rest = escaped.get(length..).unwrap_or_default();
        } else {
            done.extend(first.to_string().bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    close(&mut done, open);
    done
}

fn close(done: &mut Vec<u8>, open: Option<(char, usize)>) {
    let Some((how, at)) = open else { return };
    let mut body = done.split_off(at);
    let mut heads = String::new();
    match how {
        'Z' | 'z' => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&body).expect("memory");
            body = packed.finish().expect("memory");
            if how == 'Z' {
                heads.push_str("Content-Encoding: gzip\r\n");
            }
        }
        'W' | 'w' => {
            let mark = if how == 'W' { "\u{feff}" } else { "" };
            let text = format!("{mark}{}", String::from_utf8_lossy(&body));
            body = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        }
        _ => {}
    }
    if how == 'C' {
        done.extend(format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).bytes());
        done.extend(body);
        done.extend(b"\r\n0\r\n\r\n");
        return;
    }
    done.extend(format!("{heads}Content-Length: {}\r\n\r\n", body.len()).bytes());
    done.extend(body);
}

/// Bytes so that they can be read and pasted: the notation's escapes.
pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'")
}
