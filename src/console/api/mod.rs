//! `/api/v1`: one file a noun. Shapes of answers are written out here rather than derived from the domain, because
//! clients rely on them and the domain may change.

pub(super) mod audit;
pub(super) mod backups;
pub(super) mod check;
pub(super) mod connections;
pub(super) mod entries;
mod entry_view;
pub(super) mod erasures;
pub(super) mod health;
pub(super) mod holds;
pub(super) mod job_events;
pub(super) mod job_verbs;
pub(super) mod jobs;
pub(super) mod openapi;
pub(super) mod operations;
mod plan_view;
pub(super) mod plans;
pub(super) mod retention;
pub(super) mod reviews;
pub(super) mod tokens;
pub(super) mod undo;

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use super::Console;
use super::problem::Problem;

/// A time as the API writes it: RFC 3339, UTC, microseconds.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The word that a domain enum serializes to (`needs_review`).
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

/// An id from a path. What is no id cannot be the name of anything, so it is not found either.
fn id<T: FromStr>(kind: &str, text: &str) -> Result<T, Problem> {
    // Not shown: what is no id may be somebody's name.
    text.parse().map_err(|_| Problem::not_found(format_args!("{kind} with this id")))
}

/// For a list that found nothing: whether that is because the connection it was asked about does not exist. Entries of
/// a connection that was taken out of the configuration can still be listed.
fn known_connection(console: &Console, name: Option<&str>) -> Result<(), Problem> {
    match name {
        Some(name) if !console.engine.connections().contains_key(name) => {
            let known: Vec<&str> = console.engine.connections().keys().map(String::as_str).collect();
            Err(Problem::bad_value("connection", "there is no connection of this name")
                .hint(format!("configured are: {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_whatever_they_were() {
        assert_eq!(stamp(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
        let nanos = Timestamp::from_nanosecond(1_790_000_000_123_456_789).expect("in range");
        assert!(stamp(nanos).ends_with(".123456Z"), "{}", stamp(nanos));
    }
}
