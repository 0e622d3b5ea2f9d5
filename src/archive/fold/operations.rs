//! Captured, settled, undone; and what that makes of entries.

use super::apply::Fold;
use super::keys;
use super::rows::{EntryRow, OperationRow, Rows, Stop, moment, read};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryEvent, EntryState, OperationEvent, OperationState};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{EntryId, SnapshotId};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::record::Snapshot;

/// Whether an entry in this state lies in the bin.
pub(super) fn in_bin(state: EntryState) -> bool {
    matches!(state, EntryState::Deleted | EntryState::Unknown | EntryState::Restoring | EntryState::NeedsReview)
}

pub(super) fn captured(fold: &mut Fold, recorded: &Recorded, stream: u64, place: u64) -> Result<(), Stop> {
    let Event::Captured { connection, entries, .. } = &recorded.event else { return Ok(()) };
    if fold.rows.get(&keys::operation(stream))?.is_some() {
        return Err(Stop::Illegal("the operation was captured before".into()));
    }
    if entries.len() > keys::ENTRIES {
        return Err(Stop::Illegal(format!("an operation has at most {} entries", keys::ENTRIES)));
    }
    let first = keys::first_entry(recorded.seq);
    let mut next = first;
    for (index, entry) in entries.iter().enumerate() {
        if fold.rows.get(&keys::entry_id(entry.id))?.is_some() {
            return Err(Stop::Illegal(format!("entry {} was captured before", entry.id)));
        }
        if !fold.has(&entry.snapshot)? {
            return Err(Stop::Illegal(format!("entry {}: its snapshot is not in the archive", entry.id)));
        }
        if !fold.dry
            && let Some(snapshot) = fold.find(&entry.snapshot)?
        {
            fold.findable(&snapshot, next, true);
        }
        let row = EntryRow {
            operation: stream,
            place,
            index,
            state: EntryState::Unknown,
            connection: connection.clone(),
            object: entry.record.object.clone(),
            at: moment(recorded.at),
            restored_as: None,
            reason: None,
        };
        fold.rows.put(keys::entry_id(entry.id), &next);
        fold.rows.put(keys::entry(next), &row);
        fold.rows.mark(keys::entry_in(row.state, next));
        fold.rows.mark(keys::entry_of(connection, &entry.record, next));
        fold.rows.count(keys::IN_BIN, 1)?;
        next += 1;
    }
    let row = OperationRow {
        place,
        state: OperationState::Open,
        answer: None,
        first,
        count: next - first,
        connection: connection.clone(),
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
    let mut row: OperationRow = read(&fold.rows, &keys::operation(stream))?
        .ok_or_else(|| Stop::Illegal("the operation was never captured".into()))?;
    fold.rows.take(keys::operation_in(row.state, stream));
    row.state = row.state.next(event)?;
    row.answer = answer.or(row.answer);
    fold.rows.mark(keys::operation_in(row.state, stream));
    fold.rows.put(keys::operation(stream), &row);
    Ok(row)
}

/// Number of an entry.
pub(super) fn numbered(fold: &Fold, id: EntryId) -> Result<u64, Stop> {
    read(&fold.rows, &keys::entry_id(id))?.ok_or_else(|| Stop::Illegal(format!("there is no entry {id}")))
}

pub(super) fn find(fold: &Fold, number: u64) -> Result<EntryRow, Stop> {
    read(&fold.rows, &keys::entry(number))?.ok_or_else(|| Stop::Illegal(format!("there is no entry number {number}")))
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
    let to = row.state.next(event)?;
    more(&mut row);
    place(fold, number, row, to)
}

fn place(fold: &mut Fold, number: u64, mut row: EntryRow, to: EntryState) -> Result<(), Stop> {
    if row.state != to {
        fold.rows.take(keys::entry_in(row.state, number));
        fold.rows.mark(keys::entry_in(to, number));
        match (in_bin(row.state), in_bin(to)) {
            (true, false) => fold.rows.count(keys::IN_BIN, -1)?,
            (false, true) => fold.rows.count(keys::IN_BIN, 1)?,
            _ => {}
        }
    }
    row.state = to;
    fold.put(keys::entry(number), &row);
    Ok(())
}

/// The snapshot of these entries was dropped. Without it they cannot come back; a restored one stays restored.
pub(super) fn forgotten(fold: &mut Fold, id: &SnapshotId, snapshot: &Snapshot) -> Result<(), Stop> {
    let prefix = keys::entries_of(&snapshot.connection, &snapshot.of);
    let numbers: Vec<u64> = fold
        .rows
        .up(&prefix, &keys::after(&prefix))
        .map(|row| row.map(|(key, _)| keys::tail(&key)))
        .collect::<Result<_, _>>()?;
    for number in numbers {
        let row = find(fold, number)?;
        let recorded = fold.frames.event(row.place)?;
        let Event::Captured { entries, .. } = &recorded.event else { continue };
        if entries.get(row.index).is_none_or(|entry| entry.snapshot != *id) {
            continue;
        }
        fold.findable(snapshot, number, false);
        if !matches!(row.state, EntryState::Restored | EntryState::Restoring | EntryState::Erased) {
            place(fold, number, row, EntryState::Forgotten)?;
        }
    }
    Ok(())
}
