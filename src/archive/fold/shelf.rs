//! The questions of [`Bin`](super::super::Bin), answered from rows and frames.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::apply::ERASED;
use super::idmap;
use super::keys;
use super::operations::in_bin;
use super::rows::{EntryRow, Frames, ItemRow, JobRow, OperationRow, RecordRow, Rows, StreamRow, number, parse, read};
use super::search::Candidates;
use super::terms::Query;
use crate::archive::{ArchiveError, EntryFilter, OperationFilter, Page};
use crate::domain::entry::{Entry, EntryState, Operation};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId, SnapshotId};
use crate::domain::job::{Item, Job, JobState};
use crate::domain::plan::Plan;
use crate::domain::record::{RecordRef, Snapshot};

/// More rows than this in one page are nobody's wish.
const MOST: usize = 1_000;
/// Above every number.
const ALL: u64 = (1 << 48) - 1;

/// Rows and frames of one moment.
pub struct Shelf<'a> {
    pub(super) rows: &'a dyn Rows,
    frames: &'a dyn Frames,
    /// Entries of one operation stand together in lists; its row and its event are read once.
    seen: RefCell<HashMap<u64, Rc<Recorded>>>,
    operations: RefCell<HashMap<u64, Rc<OperationRow>>>,
}

impl<'a> Shelf<'a> {
    /// To be asked.
    pub fn new(rows: &'a dyn Rows, frames: &'a dyn Frames) -> Self {
        Self { rows, frames, seen: RefCell::default(), operations: RefCell::default() }
    }

    fn event(&self, place: u64) -> Result<Rc<Recorded>, ArchiveError> {
        if let Some(event) = self.seen.borrow().get(&place) {
            return Ok(event.clone());
        }
        let event = Rc::new(self.frames.event(place)?);
        self.seen.borrow_mut().insert(place, event.clone());
        Ok(event)
    }

    fn operation_at(&self, number: u64) -> Result<Rc<OperationRow>, ArchiveError> {
        if let Some(row) = self.operations.borrow().get(&number) {
            return Ok(row.clone());
        }
        let row: OperationRow = read(self.rows, &keys::operation(number))?.ok_or_else(|| wrong("an operation"))?;
        let row = Rc::new(row);
        // A long walk over entries of many operations needs only the last ones.
        let mut known = self.operations.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(number, row.clone());
        Ok(row)
    }

    fn whole(&self, at: u64, row: EntryRow) -> Result<Entry, ArchiveError> {
        let operation = self.operation_at(row.operation)?;
        let snapshot = match row.snapshot {
            0 => None,
            place => match self.frames.snapshot(place) {
                Ok(found) => Some(found),
                // The list goes on without its name; asking for the snapshot itself says what is damaged.
                Err(ArchiveError::Damaged { .. } | ArchiveError::NotFound(_)) => None,
                Err(error) => return Err(error),
            },
        };
        let (snapshot, title, copy_taken_at) = if let Some((id, snapshot)) = snapshot {
            (id, snapshot.title, snapshot.taken_at)
        } else {
            let recorded = self.event(operation.place)?;
            let Event::Captured { entries, .. } = &recorded.event else { return Err(wrong("an entry")) };
            let index = usize::try_from(at - operation.first).map_err(|_| wrong("an entry"))?;
            let captured = entries.get(index).ok_or_else(|| wrong("an entry"))?;
            (captured.snapshot, String::new(), recorded.at)
        };
        Ok(Entry {
            id: row.id,
            connection: row.connection,
            record: row.record,
            title,
            deleted_at: operation.at,
            deleted_by: operation.by.clone(),
            via: operation.via,
            operation: operation.id,
            state: row.state,
            snapshot,
            copy_taken_at,
            expires_at: row.expires_at,
            restored_as: row.restored_as,
            reason: row.reason,
        })
    }

    /// Snapshot by address.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError> {
        let missing = || ArchiveError::NotFound(format!("snapshot {id}"));
        let place =
            read::<u64>(self.rows, &keys::snapshot(id))?.filter(|place| *place != ERASED).ok_or_else(missing)?;
        let (found, snapshot) = self.frames.snapshot(place)?;
        if found != *id {
            return Err(wrong(&format!("snapshot {id}")));
        }
        Ok(snapshot)
    }

    /// Snapshots of one record, newest first.
    pub fn history(&self, connection: &str, of: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError> {
        let row: RecordRow = read(self.rows, &keys::record(connection, of))?.unwrap_or_default();
        let mut found = Vec::new();
        for place in row.snapshots.into_iter().rev() {
            match self.frames.snapshot(place) {
                Ok((id, _)) => found.push(id),
                Err(ArchiveError::Damaged { .. } | ArchiveError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Events of a stream after `version`.
    pub fn read(&self, stream: &Stream, after: u64) -> Result<Vec<Recorded>, ArchiveError> {
        let Some(row) = self.stream(&stream.0)? else { return Ok(Vec::new()) };
        let after = after.min(row.version);
        let first =
            row.places.into_iter().skip(usize::try_from(after).unwrap_or(usize::MAX)).filter(|place| *place > 0);
        let mut events: Vec<Recorded> = first.map(|place| self.frames.event(place)).collect::<Result<_, _>>()?;
        let (from, to) = (keys::event(row.number, after + 1), keys::event(row.number, row.version + 1));
        for event in self.rows.up(&from, &to) {
            events.push(self.frames.event(parse(&event?.1)?)?);
        }
        Ok(events)
    }

    /// Number and version of a stream.
    pub fn stream(&self, name: &str) -> Result<Option<StreamRow>, ArchiveError> {
        read(self.rows, &keys::stream(name))
    }

    /// Streams by the beginning of their name.
    pub fn streams(&self, prefix: &str) -> Result<Vec<(Stream, u64)>, ArchiveError> {
        let prefix = keys::stream(prefix);
        let streams = self.rows.up(&prefix, &keys::after(&prefix)).map(|row| {
            let (key, value) = row?;
            let row: StreamRow = parse(&value)?;
            Ok((Stream(String::from_utf8_lossy(&key[1..]).into_owned()), row.version))
        });
        streams.collect()
    }

    /// See [`Bin::entries`](crate::archive::Bin::entries).
    pub fn entries(&self, filter: &EntryFilter) -> Result<Page<Entry>, ArchiveError> {
        let mut below = cursor(filter.cursor.as_deref(), 'e')?.unwrap_or(ALL);
        let mut from = 0;
        if let Some(operation) = filter.operation {
            let Some((_, row)) = self.operation_row(operation)? else {
                return Ok(Page { rows: Vec::new(), next: None });
            };
            from = row.first;
            below = below.min(row.first + row.count);
        }
        let mut page = Gathered { limit: filter.limit.clamp(1, MOST), rows: Vec::new(), last: 0, more: false };
        let needles =
            filter.q.as_deref().map(Query::parse).filter(|query| !query.is_empty()).map(|query| query.needles());
        if let Some(needles) = needles {
            let may = |part: &super::filter::Filter| needles.may(part);
            for row in self.rows.sift(&keys::text(from), &keys::text(below), &may) {
                let (key, text) = row?;
                if std::str::from_utf8(&text).is_ok_and(|text| needles.matches(text)) {
                    let at = keys::tail(&key);
                    let Some(row) = read(self.rows, &keys::entry(at))? else { continue };
                    if self.gather(&mut page, filter, at, row)? {
                        break;
                    }
                }
            }
        } else if !filter.states.is_empty() && filter.states.iter().all(|state| keys::few_entries(*state)) {
            let lists: Vec<_> = filter.states.iter().map(|state| |number| keys::entry_in(*state, number)).collect();
            let lists: Vec<&dyn Fn(u64) -> Vec<u8>> =
                lists.iter().map(|list| list as &dyn Fn(u64) -> Vec<u8>).collect();
            let mut candidates = Candidates::new(self.rows, &lists, from, below);
            while let Some(at) = candidates.next()? {
                let Some(row) = read(self.rows, &keys::entry(at))? else { continue };
                if self.gather(&mut page, filter, at, row)? {
                    break;
                }
            }
        } else {
            for row in self.rows.down(&keys::entry(from), &keys::entry(below)) {
                let (key, value) = row?;
                if self.gather(&mut page, filter, keys::tail(&key), parse(&value)?)? {
                    break;
                }
            }
        }
        Ok(Page { next: page.more.then(|| format!("e{}", page.last)), rows: page.rows })
    }

    /// Takes an entry into the page if it is wanted; `true` once the page is full and another would follow.
    fn gather(&self, page: &mut Gathered, filter: &EntryFilter, at: u64, row: EntryRow) -> Result<bool, ArchiveError> {
        if !self.wanted(filter, &row)? {
            return Ok(false);
        }
        page.more = page.rows.len() == page.limit;
        if !page.more {
            page.rows.push(self.whole(at, row)?);
            page.last = at;
        }
        Ok(page.more)
    }

    fn wanted(&self, filter: &EntryFilter, row: &EntryRow) -> Result<bool, ArchiveError> {
        let hidden = matches!(row.state, EntryState::Kept | EntryState::Forgotten | EntryState::Erased);
        let stated = if filter.states.is_empty() { !hidden } else { filter.states.contains(&row.state) };
        if !stated
            || filter.connection.as_ref().is_some_and(|connection| *connection != row.connection)
            || filter.object.as_ref().is_some_and(|object| *object != row.record.object)
        {
            return Ok(false);
        }
        if filter.deleted_after.is_none() && filter.deleted_before.is_none() {
            return Ok(true);
        }
        let at = self.operation_at(row.operation)?.at;
        Ok(filter.deleted_after.is_none_or(|after| at >= after)
            && filter.deleted_before.is_none_or(|before| at < before))
    }

    /// One entry.
    pub fn entry(&self, id: EntryId) -> Result<Option<Entry>, ArchiveError> {
        let Some(at) = read::<u64>(self.rows, &keys::entry_id(id))? else { return Ok(None) };
        let Some(row) = read(self.rows, &keys::entry(at))? else { return Ok(None) };
        self.whole(at, row).map(Some)
    }

    /// The newest entry of a record that lies in the bin.
    pub fn in_bin(&self, connection: &str, record: &RecordRef) -> Result<Option<Entry>, ArchiveError> {
        let known: RecordRow = read(self.rows, &keys::record(connection, record))?.unwrap_or_default();
        for at in known.entries.into_iter().rev() {
            let row: Option<EntryRow> = read(self.rows, &keys::entry(at))?;
            if let Some(row) = row.filter(|row| in_bin(row.state)) {
                return self.whole(at, row).map(Some);
            }
        }
        Ok(None)
    }

    fn operation_row(&self, id: OperationId) -> Result<Option<(u64, OperationRow)>, ArchiveError> {
        let Some(stream) = self.stream(&Stream::operation(id).0)? else { return Ok(None) };
        Ok(read(self.rows, &keys::operation(stream.number))?.map(|row| (stream.number, row)))
    }

    fn whole_operation(&self, row: &OperationRow) -> Result<Operation, ArchiveError> {
        let recorded = self.event(row.place)?;
        let Event::Captured { operation, connection, via, by, route, entries } = &recorded.event else {
            return Err(wrong("an operation"));
        };
        Ok(Operation {
            id: *operation,
            connection: connection.clone(),
            state: row.state,
            via: *via,
            by: by.clone(),
            route: route.clone(),
            at: recorded.at,
            entries: entries.iter().map(|entry| entry.id).collect(),
            answer: row.answer,
        })
    }

    /// One operation.
    pub fn operation(&self, id: OperationId) -> Result<Option<Operation>, ArchiveError> {
        self.operation_row(id)?.map(|(_, row)| self.whole_operation(&row)).transpose()
    }

    /// Operations, newest first.
    pub fn operations(&self, filter: &OperationFilter) -> Result<Page<Operation>, ArchiveError> {
        let below = cursor(filter.cursor.as_deref(), 'o')?.unwrap_or(number(self.rows, keys::LAST_SEQ)? + 1);
        let few = !filter.states.is_empty() && filter.states.iter().all(|state| keys::few_operations(*state));
        let lists: Vec<_> = filter.states.iter().map(|state| |number| keys::operation_in(*state, number)).collect();
        let mut lists: Vec<&dyn Fn(u64) -> Vec<u8>> =
            lists.iter().map(|list| list as &dyn Fn(u64) -> Vec<u8>).collect();
        if !few {
            lists = vec![&keys::operation];
        }
        let mut candidates = Candidates::new(self.rows, &lists, 0, below);
        let limit = filter.limit.clamp(1, MOST);
        let mut rows = Vec::new();
        let mut last = 0;
        while let Some(at) = candidates.next()? {
            let row = self.operation_at(at)?;
            if filter.connection.as_ref().is_some_and(|connection| *connection != row.connection)
                || !filter.states.is_empty() && !filter.states.contains(&row.state)
            {
                continue;
            }
            if rows.len() == limit {
                return Ok(Page { rows, next: Some(format!("o{last}")) });
            }
            rows.push(self.whole_operation(&row)?);
            last = at;
        }
        Ok(Page { rows, next: None })
    }

    /// One plan.
    pub fn plan(&self, id: PlanId) -> Result<Option<Plan>, ArchiveError> {
        for recorded in self.read(&Stream::plan(id), 0)? {
            if let Event::PlanMade { plan, .. } = recorded.event {
                return Ok(Some(*plan));
            }
        }
        Ok(None)
    }

    fn whole_job(&self, row: JobRow) -> Result<Job, ArchiveError> {
        let mut job = row.job;
        if let Some(place) = row.report
            && let Event::Reported { report } = self.frames.event(place)?.event
        {
            job.report = Some(report);
        }
        if job.state == JobState::Running
            && let Some(plan) = self.plan(job.plan)?
        {
            let left = job.total.saturating_sub(job.done + job.failed + job.skipped + job.needs_review);
            job.eta_seconds = Some(plan.eta_seconds.saturating_mul(left).div_ceil(job.total.max(1)));
        }
        Ok(job)
    }

    /// Jobs, newest first.
    pub fn jobs(&self, limit: usize, at: Option<&str>) -> Result<Page<Job>, ArchiveError> {
        let end = cursor(at, 'j')?.map_or_else(|| keys::after(b"j"), keys::job);
        paged(self.rows.down(b"j", &end), limit, 'j', |_, value| self.whole_job(parse(value)?))
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Result<Option<Job>, ArchiveError> {
        let Some(stream) = self.stream(&Stream::job(id).0)? else { return Ok(None) };
        read(self.rows, &keys::job(stream.number))?.map(|row| self.whole_job(row)).transpose()
    }

    /// Items of a job, in the order of the plan.
    pub fn items(&self, id: JobId, limit: usize, at: Option<&str>) -> Result<Page<Item>, ArchiveError> {
        let begin = cursor(at, 'i')?.map_or(0, |step| step + 1);
        let Some(stream) = self.stream(&Stream::job(id).0)? else { return Ok(Page { rows: Vec::new(), next: None }) };
        let begin = u32::try_from(begin).map_err(|_| bad_cursor())?;
        let (from, mut to) = (keys::item(stream.number, begin), keys::item(stream.number, u32::MAX));
        to.push(0);
        paged(self.rows.up(&from, &to), limit, 'i', |_, value| {
            let ItemRow(place, index, _) = parse(value)?;
            match &self.event(place)?.event {
                Event::Applied { items } => items.get(index).cloned().ok_or_else(|| wrong("an item")),
                _ => Err(wrong("an item")),
            }
        })
    }

    /// Events, newest first.
    pub fn audit(&self, limit: usize, at: Option<&str>) -> Result<Page<Recorded>, ArchiveError> {
        let end = cursor(at, 'a')?.map_or_else(|| keys::after(b"a"), keys::audit);
        paged(self.rows.down(b"a", &end), limit, 'a', |_, value| self.frames.event(parse(value)?))
    }

    /// The record that now stands for `old`.
    pub fn successor(&self, connection: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError> {
        idmap::successor(self.rows, connection, old)
    }

    /// A number that is kept along.
    pub fn number(&self, key: &[u8]) -> Result<u64, ArchiveError> {
        number(self.rows, key)
    }
}

fn paged<T>(
    walk: super::rows::Walk<'_>,
    limit: usize,
    kind: char,
    whole: impl Fn(&[u8], &[u8]) -> Result<T, ArchiveError>,
) -> Result<Page<T>, ArchiveError> {
    let limit = limit.clamp(1, MOST);
    let (mut rows, mut last) = (Vec::new(), 0);
    for row in walk {
        let (key, value) = row?;
        if rows.len() == limit {
            return Ok(Page { rows, next: Some(format!("{kind}{last}")) });
        }
        rows.push(whole(&key, &value)?);
        last = keys::tail(&key);
    }
    Ok(Page { rows, next: None })
}

/// A page in the making.
struct Gathered {
    limit: usize,
    rows: Vec<Entry>,
    last: u64,
    more: bool,
}

fn wrong(what: &str) -> ArchiveError {
    ArchiveError::Damaged { what: what.to_owned(), detail: "its frame holds something else".to_owned() }
}

fn bad_cursor() -> ArchiveError {
    ArchiveError::Invalid("the cursor is none of this list; begin without one".to_owned())
}

fn cursor(text: Option<&str>, kind: char) -> Result<Option<u64>, ArchiveError> {
    let Some(text) = text else { return Ok(None) };
    let number = text.strip_prefix(kind).and_then(|number| number.parse().ok()).filter(|number| *number < ALL);
    number.map(Some).ok_or_else(bad_cursor)
}
