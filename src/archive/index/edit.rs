//! Changes of rows -> pages in the place of one.

use std::iter::Peekable;

use super::page;
use super::table::Sheet;
use crate::archive::fold::filter::Filter;
use crate::archive::fold::keys;
use crate::archive::fold::rows::Change;

/// Bytes of rows in a page, before they are compressed. Search texts are read in long walks, all others one by one.
const ROWS: usize = 6 << 10;
const TEXTS: usize = 32 << 10;

/// A page, not yet sealed.
pub(super) struct Fresh {
    pub first: Vec<u8>,
    pub bytes: Vec<u8>,
    pub filter: Option<Filter>,
}

/// Pages in the place of one.
pub(super) struct Edit {
    /// The page that is no more, if none of the new ones takes its key.
    pub gone: Option<Vec<u8>>,
    /// Whether there was one under the first of the new keys.
    kept: Option<Vec<u8>>,
    pub fresh: Vec<Fresh>,
}

impl Edit {
    /// Keys of sled that it changes.
    pub(super) fn weight(&self) -> usize {
        2 * (self.fresh.len() + usize::from(self.gone.is_some()))
    }

    /// Whether there was a page under this key before.
    pub(super) fn same(&self, first: &[u8]) -> bool {
        self.kept.as_deref() == Some(first)
    }
}

/// Takes the changes that belong into `sheet` and lays them over its rows. Without a sheet a new page begins. `limit` is
/// where the page after it does.
pub(super) fn edited<'a>(
    sheet: Option<&Sheet>,
    limit: Option<&[u8]>,
    changes: &mut Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Change)>>,
) -> Edit {
    let letter = changes.peek().and_then(|(key, _)| key.first().copied());
    let mut rows: Vec<(&[u8], &[u8])> = Vec::new();
    let mut old = sheet.into_iter().flat_map(|sheet| sheet.page.all()).peekable();
    while let Some((key, value)) =
        changes.next_if(|(key, _)| key.first().copied() == letter && limit.is_none_or(|limit| key.as_slice() < limit))
    {
        while let Some(row) = old.next_if(|(before, _)| *before < key.as_slice()) {
            rows.push(row);
        }
        old.next_if(|(same, _)| *same == key.as_slice());
        if let Some(value) = value {
            rows.push((key, value));
        }
    }
    rows.extend(old);
    let texts = letter.is_some_and(|letter| keys::TEXTS == [letter]);
    let size = if texts { TEXTS } else { ROWS };
    let mut fresh = Vec::new();
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(fitting(rest, size));
        rest = after;
        fresh.push(Fresh {
            first: part[0].0.to_vec(),
            bytes: page::packed(part.iter().copied()),
            filter: texts.then(|| Filter::of(part.iter().map(|(_, value)| *value))),
        });
    }
    let first = sheet.map(|sheet| sheet.first.clone());
    // The first page keeps the key of the old one, also if the row of that name is gone.
    if let (Some(first), Some(begin)) = (&first, fresh.first_mut()) {
        begin.first.clone_from(first);
    }
    let kept = first.clone().filter(|_| !fresh.is_empty());
    Edit { gone: first.filter(|_| fresh.is_empty()), kept, fresh }
}

/// How many rows go into the next page. What is left is at least a third of one, or nothing.
fn fitting(rows: &[(&[u8], &[u8])], size: usize) -> usize {
    let (mut bytes, mut count) = (0, 0);
    for (key, value) in rows {
        bytes += key.len() + value.len();
        if bytes > size && count > 0 {
            let left: usize = rows[count..].iter().map(|(key, value)| key.len() + value.len()).take(1_000).sum();
            return if left < size / 3 { rows.len() } else { count };
        }
        count += 1;
    }
    count
}
