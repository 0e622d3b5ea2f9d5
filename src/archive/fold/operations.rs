//! Captured, settled, undone; and what that makes of entries.

use super::apply::{ERASED, Fold};
use super::keys;
use super::rows::{EntryRow, OperationRow, RecordRow, Stop, insert};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryEvent, EntryState, OperationEvent, OperationState};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::EntryId;
use crate::domain::lifecycle::Lifecycle;

/// Whether an entry in this state lies in the bin.
pub(super) fn in_bin(state: EntryState) -> bool {
    matches!(state, EntryState::Deleted | EntryState::Unknown | EntryState::Restoring | EntryState::NeedsReview)
}

pub(super) fn captured(fold: &mut Fold, recorded: &Recorded, stream: u64, place: u64) -> Result<(), Stop> {
    let Event::Captured { operation, connection, via, by, entries, .. } = &recorded.event else { return Ok(()) };
    if fold.rows.get(&keys::operation(stream))?.is_some() {
        return Err(Stop::Illegal("the operation was captured before".into()));
    }
    if entries.len() > keys::ENTRIES {
        return Err(Stop::Illegal(format!("an operation has at most {} entries", keys::ENTRIES)));
    }
    let first = keys::first_entry(recorded.seq);
    let (mut next, mut there) = (first, 0);
    for entry in entries {
        if fold.rows.get(&keys::entry_id(entry.id))?.is_some() {
            return Err(Stop::Illegal(format!("entry {} was captured before", entry.id)));
        }
        let Some(snapshot) = fold.place_of(&entry.snapshot)? else {
            return Err(Stop::Illegal(format!("entry {}: its snapshot is not in the archive", entry.id)));
        };
        fold.rows.put(keys::entry_id(entry.id), &next);
        let erased = snapshot == ERASED;
        let row = EntryRow {
            operation: stream,
            id: entry.id,
            state: if erased { EntryState::Erased } else { EntryState::Unknown },
            connection: connection.clone(),
            record: entry.record.clone(),
            snapshot,
            expires_at: entry.expires_at,
            restored_as: None,
            reason: None,
        };
        fold.rows.put(keys::entry(next), &row);
        if !fold.dry {
            if !erased && let Some(text) = fold.text_of(&entry.snapshot, snapshot)? {
                fold.rows.set(keys::text(next), Some(text.into_bytes()));
            }
            let key = keys::record(connection, &entry.record);
            let mut known: RecordRow = fold.rows.read(&key)?.unwrap_or_default();
            insert(&mut known.entries, next);
            fold.rows.put(key, &known);
        }
        if !erased {
            fold.rows.mark(keys::entry_in(row.state, next));
            there += 1;
        }
        next += 1;
    }
    fold.rows.count(keys::IN_BIN, there)?;
    let row = OperationRow {
        place,
        state: OperationState::Open,
        answer: None,
        first,
        count: next - first,
        id: *operation,
        connection: connection.clone(),
        via: *via,
        by: by.clone(),
        at: recorded.at,
    };
    fold.rows.mark(keys::operation_in(row.state, stream));
    fold.rows.put(keys::operation(stream), &row);
    Ok(())
}

pub(super) fn settled(
    fold: &mut Fold,
    stream: u64,
    fates: &[(EntryId, Fate)],
    answer: Option<u16>,
    state: OperationState,
) -> Result<(), Stop> {
    let row = step(fold, stream, &OperationEvent::Settled(state), answer)?;
    for (id, fate) in fates {
        let reason = match fate {
            Fate::Kept { reason } => Some(reason.clone()),
            Fate::Deleted | Fate::Unknown => None,
        };
        change(fold, *id, &EntryEvent::Settled(fate.clone()), |row| row.reason = reason)?;
    }
    let whole = match state {
        OperationState::NotSent => "not_sent",
        OperationState::Refused => "refused",
        _ => return Ok(()),
    };
    for number in row.first..row.first + row.count {
        if find(fold, number)?.state == EntryState::Unknown {
            let fate = Fate::Kept { reason: whole.into() };
            change_at(fold, number, &EntryEvent::Settled(fate), |row| row.reason = Some(whole.into()))?;
        }
    }
    Ok(())
}

pub(super) fn undone(fold: &mut Fold, stream: u64) -> Result<(), Stop> {
    step(fold, stream, &OperationEvent::Undone, None).map(drop)
}

fn step(fold: &mut Fold, stream: u64, event: &OperationEvent, answer: Option<u16>) -> Result<OperationRow, Stop> {
    let mut row: OperationRow = fold
        .rows
        .read(&keys::operation(stream))?
        .ok_or_else(|| Stop::Illegal("the operation was never captured".into()))?;
    if keys::few_operations(row.state) {
        fold.rows.take(keys::operation_in(row.state, stream));
    }
    row.state = row.state.next(event)?;
    row.answer = answer.or(row.answer);
    if keys::few_operations(row.state) {
        fold.rows.mark(keys::operation_in(row.state, stream));
    }
    fold.rows.put(keys::operation(stream), &row);
    Ok(row)
}

/// Number of an entry.
pub(super) fn numbered(fold: &Fold, id: EntryId) -> Result<u64, Stop> {
    fold.rows.read(&keys::entry_id(id))?.ok_or_else(|| Stop::Illegal(format!("there is no entry {id}")))
}

pub(super) fn find(fold: &Fold, number: u64) -> Result<EntryRow, Stop> {
    let row = fold.rows.read(&keys::entry(number))?;
    row.ok_or_else(|| Stop::Illegal(format!("there is no entry number {number}")))
}

/// Something happens to an entry.
pub(super) fn change(
    fold: &mut Fold,
    id: EntryId,
    event: &EntryEvent,
    more: impl FnOnce(&mut EntryRow),
) -> Result<(), Stop> {
    let number = numbered(fold, id)?;
    change_at(fold, number, event, more)
}

fn change_at(fold: &mut Fold, number: u64, event: &EntryEvent, more: impl FnOnce(&mut EntryRow)) -> Result<(), Stop> {
    let mut row = find(fold, number)?;
    if fold.replay && row.state == EntryState::Erased {
        return Ok(());
    }
    let to = row.state.next(event)?;
    more(&mut row);
    put(fold, number, row, to)
}

pub(super) fn put(fold: &mut Fold, number: u64, mut row: EntryRow, to: EntryState) -> Result<(), Stop> {
    if row.state != to {
        if row.state == EntryState::Restoring {
            fold.rows.take(keys::restorer(number));
        }
        if keys::few_entries(row.state) {
            fold.rows.take(keys::entry_in(row.state, number));
        }
        if keys::few_entries(to) {
            fold.rows.mark(keys::entry_in(to, number));
        }
        match (in_bin(row.state), in_bin(to)) {
            (true, false) => fold.rows.count(keys::IN_BIN, -1)?,
            (false, true) => fold.rows.count(keys::IN_BIN, 1)?,
            _ => {}
        }
    }
    row.state = to;
    fold.rows.put(keys::entry(number), &row);
    Ok(())
}

/// A person has found that nothing was made of these entries: they lie in the bin as before.
pub(super) fn freed(fold: &mut Fold, entries: &[EntryId]) -> Result<(), Stop> {
    entries.iter().try_for_each(|entry| change(fold, *entry, &EntryEvent::Freed, |row| row.reason = None))
}

/// The snapshot at `place`, which some of these entries have, was dropped. Without it they cannot come back; a restored
/// one stays restored.
pub(super) fn forgotten(fold: &mut Fold, entries: &[u64], place: u64) -> Result<(), Stop> {
    for number in entries {
        let mut row = find(fold, *number)?;
        if row.snapshot != place {
            continue;
        }
        row.snapshot = 0;
        fold.rows.take(keys::text(*number));
        let to = match row.state {
            stays @ (EntryState::Restored | EntryState::Restoring | EntryState::Erased) => stays,
            _ => EntryState::Forgotten,
        };
        put(fold, *number, row, to)?;
    }
    Ok(())
}
