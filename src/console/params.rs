//! Query parameters. Each route lists the ones it takes; any other is refused by name, because a filter that is
//! silently ignored answers a question nobody asked.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Rows of a page when the caller does not say.
const DEFAULT_LIMIT: usize = 50;
/// Rows of a page at most.
const MOST: usize = 200;

/// The parameters of a request: known to its route, each given once.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(BTreeMap<String, String>);

/// What serde would have taken, without what it was given: that may be somebody's name.
pub(super) fn expected(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The place, where it is told, and before it what was expected stand at the end.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match text.rfind("expected ") {
        _ if text.starts_with("missing field") => text.to_owned(),
        Some(at) => text[at..].to_owned(),
        None if error.is_data() => "it lacks something, or has it twice".to_owned(),
        None => "it is not JSON".to_owned(),
    }
}

impl Params {
    /// Reads a raw query.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(Problem::unknown_parameter(&name, known));
            }
            if values.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::bad_value(&name, "is given twice; which one is meant?"));
            }
        }
        Ok(Self(values))
    }

    /// The value as text; an empty one is refused, it is mostly a mistake in a script.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.0.get(name).map(|value| value.trim()) {
            Some("") => Err(Problem::bad_value(name, "is empty; leave it out instead")),
            Some(value) if value.chars().count() > 200 => {
                Err(Problem::bad_value(name, "is longer than 200 characters"))
            }
            value => Ok(value),
        }
    }

    /// The value as something else; `what` tells what it has to be.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: impl Display) -> Result<Option<T>, Problem> {
        self.text(name)?
            .map(|value| value.parse().map_err(|_| Problem::bad_value(name, format_args!("has to be {what}"))))
            .transpose()
    }

    /// Words of an enum, with commas between them; empty if not given.
    pub(super) fn words<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(Vec::new()) };
        let one = |word: &str| {
            serde_json::from_value(word.into()).map_err(|error| Problem::bad_value(name, expected(&error)))
        };
        text.split(',').map(|word| one(word.trim())).collect()
    }

    /// A moment. A `+` of an offset that was not encoded arrives as a space; that is what the hint is about.
    pub(super) fn moment(&self, name: &str) -> Result<Option<jiff::Timestamp>, Problem> {
        self.parsed(name, "a time like 2026-07-22T10:00:00Z")
            .map_err(|problem| problem.hint("write the time in UTC, ending in Z"))
    }

    /// How many rows.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.parsed::<usize>("limit", format_args!("a number from 1 to {MOST}"))? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit @ 1..=MOST) => Ok(limit),
            Some(_) => Err(Problem::bad_value("limit", format_args!("has to be a number from 1 to {MOST}"))),
        }
    }

    /// Where the last page of `list` ended, in the archive's words.
    pub(super) fn cursor(&self, list: &str) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.0.get("cursor") else { return Ok(None) };
        let foreign = || {
            Problem::bad_value("cursor", "is not a cursor of this list")
                .hint("pass on the `next` of the page before, with the same filters, or leave it out")
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
        let text = String::from_utf8(bytes).map_err(|_| foreign())?;
        let (of, inner) = text.split_once('\n').ok_or_else(foreign)?;
        if of == list { Ok(Some(inner.to_owned())) } else { Err(foreign()) }
    }
}

/// A cursor as clients see it: opaque, safe in an address, and good for its own list only.
pub(super) fn opaque(list: &str, inner: Option<String>) -> Option<String> {
    inner.map(|inner| URL_SAFE_NO_PAD.encode(format!("{list}\n{inner}")))
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal(&"a route without its guard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursor = opaque("entries", Some("17/3".into())).expect("a cursor");
        let params = Params::read(Some(&format!("cursor={cursor}")), &["cursor"]).expect("known");
        assert_eq!(params.cursor("entries").expect("its own").as_deref(), Some("17/3"));
        assert!(params.cursor("jobs").is_err());
    }
}
