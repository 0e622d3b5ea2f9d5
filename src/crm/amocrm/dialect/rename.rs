//! The same request in new ids: digits are replaced in place, and every other byte stays.

use std::collections::HashSet;

use bytes::Bytes;

use super::super::wire::numeric_id;
use super::names::{self, Named, Place};
use crate::crm::{Head, Renamed, Successor};
use crate::domain::record::RecordRef;

/// See [`Dialect::rename`](crate::crm::Dialect::rename).
pub fn rename(head: &Head<'_>, body: &[u8], successor: Successor<'_>) -> Option<Renamed> {
    let mut named = names::in_head(head);
    named.extend(names::in_body(head, body));
    let changes: Vec<(Named, RecordRef)> = named
        .into_iter()
        .filter_map(|named| {
            let new = successor(&named.record)?;
            let fits = new.object == named.record.object && new != named.record && numeric_id(&new.id).is_some();
            fits.then_some((named, new))
        })
        .collect();
    if changes.is_empty() {
        return None;
    }
    let mut target = replaced(head.path.as_bytes(), &changes, Place::Path);
    if let Some(query) = head.query {
        target.push(b'?');
        target.extend(replaced(query.as_bytes(), &changes, Place::Query));
    }
    let in_body = changes.iter().any(|(named, _)| named.place == Place::Body);
    let body = in_body.then(|| Bytes::from(replaced(body, &changes, Place::Body)));
    let mut seen = HashSet::new();
    let mut told: Vec<(RecordRef, RecordRef)> = Vec::new();
    for (named, new) in changes {
        if seen.insert(named.record.clone()) {
            told.push((named.record, new));
        }
    }
    // Only ASCII digits went in, so what was UTF-8 still is.
    Some(Renamed { target: String::from_utf8(target).ok()?, body, changes: told })
}

/// The bytes with the new digits. `changes` of one place are in order and do not overlap.
fn replaced(old: &[u8], changes: &[(Named, RecordRef)], place: Place) -> Vec<u8> {
    let mut new = Vec::with_capacity(old.len() + 16);
    let mut at = 0;
    let mut here: Vec<&(Named, RecordRef)> = changes.iter().filter(|(named, _)| named.place == place).collect();
    here.sort_by_key(|(named, _)| named.span.start);
    for (named, record) in here {
        let Some(kept) = old.get(at..named.span.start) else { continue };
        new.extend_from_slice(kept);
        new.extend_from_slice(record.id.as_bytes());
        at = named.span.end;
    }
    new.extend_from_slice(old.get(at..).unwrap_or_default());
    new
}
