//! Old id -> new id, over any number of restores.

use super::apply::Fold;
use super::keys;
use super::rows::{Rows, Stop, read};
use crate::archive::ArchiveError;
use crate::domain::record::RecordRef;

/// More restores of one record than anybody makes; a longer chain is a fault. A script that deletes and restores the same
/// record every night needs years to get there.
const DEPTH: usize = 4096;

/// `old` now stands as `new`.
pub(super) fn follow(fold: &mut Fold, connection: &str, old: &RecordRef, new: &RecordRef) -> Result<(), Stop> {
    let key = keys::successor(connection, old);
    let known = fold.rows.get(&key)?.is_some();
    if old == new {
        // The same id came back: nothing else stands for it any more.
        if known {
            fold.rows.take(key);
            fold.rows.count(&keys::successors(connection), -1)?;
        }
        return Ok(());
    }
    let mut at = new.clone();
    for _ in 0..DEPTH {
        if at == *old {
            return Err(Stop::Illegal(format!("{old} would become its own successor")));
        }
        let Some(next) = fold.rows.read(&keys::successor(connection, &at))? else {
            fold.rows.put(key, new);
            if !known {
                fold.rows.count(&keys::successors(connection), 1)?;
            }
            return Ok(());
        };
        at = next;
    }
    Err(Stop::Illegal(format!("{old} has more than {DEPTH} successors")))
}

/// The record that now stands for `old`.
pub(super) fn successor(rows: &dyn Rows, connection: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError> {
    let mut found: Option<RecordRef> = None;
    for _ in 0..=DEPTH {
        let at = found.as_ref().unwrap_or(old);
        match read(rows, &keys::successor(connection, at))? {
            Some(next) => found = Some(next),
            None => return Ok(found),
        }
    }
    Err(ArchiveError::Damaged {
        what: format!("the chain of successors of {old}"),
        detail: format!("it is longer than {DEPTH}"),
    })
}
