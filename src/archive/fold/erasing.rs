//! Erased: what is to be destroyed with a record, and what stays in the rows.

use std::collections::BTreeSet;

use super::apply::{ERASED, Fold};
use super::rows::{RecordRow, Stop, read};
use super::shelf::Shelf;
use super::{keys, operations};
use crate::archive::{ArchiveError, Erasable};
use crate::domain::entry::EntryState;
use crate::domain::event::{Erased, Event, Stream};
use crate::domain::ids::{EntryId, JobId, PlanId};
use crate::domain::plan::Plan;
use crate::domain::record::RecordRef;

/// Nothing of it can be read or found any more; that it was there stays.
pub(super) fn erased(fold: &mut Fold, erased: &Erased) -> Result<(), Stop> {
    for id in &erased.entries {
        let number = operations::numbered(fold, *id)?;
        let mut row = operations::find(fold, number)?;
        if !fold.replay && matches!(row.state, EntryState::Unknown | EntryState::Restoring) {
            return Err(Stop::Illegal(format!("entry {id} is {:?}; it can be erased once that is over", row.state)));
        }
        row.snapshot = ERASED;
        row.reason = None;
        fold.rows.take(keys::text(number));
        let key = keys::record(&row.connection, &row.record);
        let mut known: RecordRow = fold.rows.read(&key)?.unwrap_or_default();
        known.snapshots.clear();
        known.slots.retain(|slot| !erased.slots.iter().any(|gone| u64::from(*gone) == *slot));
        fold.rows.put(key, &known);
        operations::put(fold, number, row, EntryState::Erased)?;
    }
    for id in &erased.snapshots {
        fold.fresh.remove(id);
        fold.rows.put(keys::snapshot(id), &ERASED);
    }
    let streams = erased.plans.iter().map(|id| Stream::plan(*id));
    for stream in streams.chain(erased.jobs.iter().map(|id| Stream::job(*id))) {
        fold.rows.take(keys::slots(&stream.0));
    }
    Ok(())
}

/// A plan that was being made while a record was erased must not bring its values back.
pub(super) fn may_be_planned(fold: &Fold, plan: &Plan) -> Result<(), Stop> {
    if fold.replay {
        return Ok(());
    }
    let written = plan.steps.iter().filter(|step| step.write.is_some()).map(|step| step.entry);
    for id in written.collect::<BTreeSet<EntryId>>() {
        // Plans of tests and of other vendors may name entries of nobody.
        let Some(number) = fold.rows.read::<u64>(&keys::entry_id(id))? else { continue };
        if operations::find(fold, number)?.state == EntryState::Erased {
            return Err(Stop::Illegal(format!("entry {id} was erased; make the plan again")));
        }
    }
    Ok(())
}

impl Shelf<'_> {
    /// See [`Store::erasable`](crate::archive::Store::erasable); without the hash, which takes a key. Reads every plan
    /// and job: erasing is rare.
    pub fn erasable(&self, connection: &str, record: &RecordRef) -> Result<Erasable, ArchiveError> {
        let known: RecordRow = read(self.rows, &keys::record(connection, record))?.unwrap_or_default();
        let mut entries = Vec::new();
        for number in known.entries {
            let row: Option<super::rows::EntryRow> = read(self.rows, &keys::entry(number))?;
            entries.extend(row.filter(|row| row.state != EntryState::Erased).map(|row| row.id));
        }
        let snapshots = self.history(connection, record)?;
        let concerns = |plan: &Plan| {
            let of = |step: &crate::domain::plan::Step| {
                entries.contains(&step.entry)
                    || step.record == *record
                    || step.needs.contains(record)
                    || step.after.contains(record)
            };
            plan.connection == connection
                && (plan.basis.iter().any(|(entry, _)| entries.contains(entry)) || plan.steps.iter().any(of))
        };
        let (mut plans, mut jobs) = (Vec::new(), Vec::new());
        for (stream, _) in self.streams("plan/")? {
            let Some(id) = stream.0.strip_prefix("plan/").and_then(|id| id.parse::<PlanId>().ok()) else { continue };
            if self.plan(id)?.is_some_and(|plan| concerns(&plan)) {
                plans.push(id);
            }
        }
        for (stream, _) in self.streams("job/")? {
            let Some(id) = stream.0.strip_prefix("job/").and_then(|id| id.parse::<JobId>().ok()) else { continue };
            let of = |event: &Event| match event {
                Event::JobQueued { plan, .. } => plans.contains(plan),
                Event::Applied { items } => {
                    items.iter().any(|item| entries.contains(&item.entry) || item.record == *record)
                }
                _ => false,
            };
            if self.read(&stream, 0)?.iter().any(|recorded| of(&recorded.event)) {
                jobs.push(id);
            }
        }
        let mut slots: BTreeSet<u64> = known.slots.into_iter().collect();
        let streams = plans.iter().map(|id| Stream::plan(*id));
        for stream in streams.chain(jobs.iter().map(|id| Stream::job(*id))) {
            slots.extend(read::<Vec<u64>>(self.rows, &keys::slots(&stream.0))?.unwrap_or_default());
        }
        let slots = slots.into_iter().filter_map(|slot| u32::try_from(slot).ok()).collect();
        let (connection, record) = (connection.to_owned(), record.clone());
        let subject = String::new();
        Ok(Erasable { connection, record, subject, entries, snapshots, plans, jobs, slots })
    }

    /// The last of these slots.
    pub fn slot_of_record(&self, connection: &str, record: &RecordRef) -> Result<Option<u32>, ArchiveError> {
        let row: Option<RecordRow> = read(self.rows, &keys::record(connection, record))?;
        Ok(row.and_then(|row| row.slots.last().and_then(|slot| u32::try_from(*slot).ok())))
    }

    /// The last slot of a stream.
    pub fn slot_of_stream(&self, stream: &Stream) -> Result<Option<u32>, ArchiveError> {
        let slots: Option<Vec<u64>> = read(self.rows, &keys::slots(&stream.0))?;
        Ok(slots.and_then(|slots| slots.last().and_then(|slot| u32::try_from(*slot).ok())))
    }
}
