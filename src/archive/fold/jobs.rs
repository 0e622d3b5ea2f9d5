//! Queued, moved, applying, applied; and what that makes of entries.

use super::apply::Fold;
use super::rows::{ItemRow, JobRow, Stop};
use super::{idmap, keys, operations};
use crate::domain::entry::{EntryEvent, EntryState};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::EntryId;
use crate::domain::job::{Item, ItemState, Job, JobState};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::plan::PlanKind;

pub(super) fn queued(fold: &mut Fold, recorded: &Recorded, stream: u64) -> Result<(), Stop> {
    let Event::JobQueued { job, plan, kind, connection, total, by } = &recorded.event else { return Ok(()) };
    if fold.rows.get(&keys::job(stream))?.is_some() {
        return Err(Stop::Illegal("the job was queued before".into()));
    }
    let job = Job {
        id: *job,
        kind: *kind,
        connection: connection.clone(),
        plan: *plan,
        state: JobState::Queued,
        reason: None,
        by: by.clone(),
        created_at: recorded.at,
        total: *total,
        done: 0,
        failed: 0,
        skipped: 0,
        needs_review: 0,
        eta_seconds: None,
        report: None,
    };
    fold.rows.put(keys::job(stream), &JobRow { job, report: None });
    Ok(())
}

fn find(fold: &Fold, stream: u64) -> Result<JobRow, Stop> {
    fold.rows.read(&keys::job(stream))?.ok_or_else(|| Stop::Illegal("the job was never queued".into()))
}

pub(super) fn moved(fold: &mut Fold, stream: u64, to: JobState, reason: Option<String>) -> Result<(), Stop> {
    let mut row = find(fold, stream)?;
    row.job.state = row.job.state.next(&to)?;
    row.job.reason = reason;
    fold.rows.put(keys::job(stream), &row);
    Ok(())
}

pub(super) fn reported(fold: &mut Fold, stream: u64, place: u64) -> Result<(), Stop> {
    let mut row = find(fold, stream)?;
    row.report = Some(place);
    fold.rows.put(keys::job(stream), &row);
    Ok(())
}

pub(super) fn applying(fold: &mut Fold, stream: u64, steps: &[(u32, EntryId, bool)]) -> Result<(), Stop> {
    if find(fold, stream)?.job.kind != PlanKind::Restore {
        return Ok(());
    }
    for (_, entry, _) in steps.iter().filter(|(_, _, root)| *root) {
        operations::change(fold, *entry, &EntryEvent::Applying, |_| {})?;
        let number = operations::numbered(fold, *entry)?;
        if operations::find(fold, number)?.state == EntryState::Restoring {
            fold.rows.put(keys::restorer(number), &stream);
        }
    }
    Ok(())
}

pub(super) fn applied(fold: &mut Fold, stream: u64, items: &[Item], place: u64) -> Result<(), Stop> {
    let mut row = find(fold, stream)?;
    for (index, item) in items.iter().enumerate() {
        let key = keys::item(stream, item.step);
        if let Some(ItemRow(_, _, before)) = fold.rows.read(&key)? {
            let count = counter(&mut row.job, before);
            *count = count.saturating_sub(1);
        }
        *counter(&mut row.job, item.state) += 1;
        fold.rows.put(key, &ItemRow(place, index, item.state));
        if row.job.kind != PlanKind::Restore {
            continue;
        }
        if item.root {
            came_back(fold, stream, item)?;
        }
        if item.state != ItemState::Failed
            && let Some(new) = &item.restored_as
        {
            idmap::follow(fold, &row.job.connection, &item.record, new)?;
        }
    }
    fold.rows.put(keys::job(stream), &row);
    Ok(())
}

fn counter(job: &mut Job, state: ItemState) -> &mut u64 {
    match state {
        ItemState::Done => &mut job.done,
        ItemState::Failed => &mut job.failed,
        ItemState::Skipped => &mut job.skipped,
        ItemState::NeedsReview => &mut job.needs_review,
    }
}

fn came_back(fold: &mut Fold, stream: u64, item: &Item) -> Result<(), Stop> {
    let number = operations::numbered(fold, item.entry)?;
    let now = operations::find(fold, number)?;
    let is_mine = now.state == EntryState::Restoring && fold.rows.number(&keys::restorer(number))? == stream;
    let reason = item.reason.clone();
    match item.state {
        // Another job is at it, and may have made it: that this one has not says nothing.
        ItemState::Failed | ItemState::Skipped if now.state == EntryState::Restoring && !is_mine => Ok(()),
        // Said once more, after reading back.
        ItemState::Done if now.state == EntryState::Restored && now.restored_as == item.restored_as => Ok(()),
        ItemState::Done => {
            let new = item.restored_as.clone();
            operations::change(fold, item.entry, &EntryEvent::Applied, |row| {
                row.restored_as = new;
                row.reason = None;
            })
        }
        ItemState::Failed => operations::change(fold, item.entry, &EntryEvent::Failed, |row| row.reason = reason),
        // Nothing was made: what was about to be goes back to where it was.
        ItemState::Skipped if is_mine => {
            operations::change(fold, item.entry, &EntryEvent::Failed, |row| row.reason = reason)
        }
        ItemState::Skipped => Ok(()),
        ItemState::NeedsReview if now.state == EntryState::NeedsReview => Ok(()),
        ItemState::NeedsReview => operations::change(fold, item.entry, &EntryEvent::Doubted, |row| row.reason = reason),
    }
}
