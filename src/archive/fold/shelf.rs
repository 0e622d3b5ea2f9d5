//! The questions of [`Bin`](super::super::Bin), answered from rows and frames.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::idmap;
use super::keys;
use super::operations::in_bin;
use super::rows::{EntryRow, Frames, ItemRow, JobRow, OperationRow, Rows, StreamRow, moment, number, parse, read};
use super::search::{Candidates, postings};
use super::terms::{Query, Secret, Tokens};
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
    rows: &'a dyn Rows,
    frames: &'a dyn Frames,
    secret: &'a Secret,
    /// Entries of one operation stand together in lists; their event is read once.
    seen: RefCell<HashMap<u64, Rc<Recorded>>>,
}

impl<'a> Shelf<'a> {
    /// To be asked.
    pub fn new(rows: &'a dyn Rows, frames: &'a dyn Frames, secret: &'a Secret) -> Self {
        Self { rows, frames, secret, seen: RefCell::default() }
    }

    fn event(&self, place: u64) -> Result<Rc<Recorded>, ArchiveError> {
        if let Some(event) = self.seen.borrow().get(&place) {
            return Ok(event.clone());
        }
        let event = Rc::new(self.frames.event(place)?);
        self.seen.borrow_mut().insert(place, event.clone());
        Ok(event)
    }

    fn kept(&self, id: &SnapshotId) -> Result<Option<Snapshot>, ArchiveError> {
        let Some(place) = read::<u64>(self.rows, &keys::snapshot(id))? else { return Ok(None) };
        match self.frames.snapshot(place) {
            Ok((_, snapshot)) => Ok(Some(snapshot)),
            // The list goes on without its name; asking for the snapshot itself says what is damaged.
            Err(ArchiveError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn whole(&self, row: EntryRow) -> Result<(Entry, Option<Snapshot>), ArchiveError> {
        let recorded = self.event(row.place)?;
        let Event::Captured { operation, connection, via, by, entries, .. } = &recorded.event else {
            return Err(wrong("an entry"));
        };
        let captured = entries.get(row.index).ok_or_else(|| wrong("an entry"))?;
        let snapshot = self.kept(&captured.snapshot)?;
        let entry = Entry {
            id: captured.id,
            connection: connection.clone(),
            record: captured.record.clone(),
            title: snapshot.as_ref().map(|snapshot| snapshot.title.clone()).unwrap_or_default(),
            deleted_at: recorded.at,
            deleted_by: by.clone(),
            via: *via,
            operation: *operation,
            state: row.state,
            snapshot: captured.snapshot,
            copy_taken_at: snapshot.as_ref().map_or(recorded.at, |snapshot| snapshot.taken_at),
            expires_at: captured.expires_at,
            restored_as: row.restored_as,
            reason: row.reason,
        };
        Ok((entry, snapshot))
    }

    /// Snapshot by address.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError> {
        let missing = || ArchiveError::NotFound(format!("snapshot {id}"));
        let place = read::<u64>(self.rows, &keys::snapshot(id))?.ok_or_else(missing)?;
        let (found, snapshot) = self.frames.snapshot(place)?;
        if found != *id {
            return Err(wrong(&format!("snapshot {id}")));
        }
        Ok(snapshot)
    }

    /// Snapshots of one record, newest first.
    pub fn history(&self, connection: &str, of: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError> {
        let prefix = keys::snapshots_of(connection, of);
        let mut found = Vec::new();
        for row in self.rows.down(&prefix, &keys::after(&prefix)) {
            let (key, _) = row?;
            let place = key.last_chunk::<8>().copied().map(u64::from_be_bytes).ok_or_else(|| wrong("a history"))?;
            match self.frames.snapshot(place) {
                Ok((id, _)) => found.push(id),
                Err(ArchiveError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Events of a stream after `version`.
    pub fn read(&self, stream: &Stream, after: u64) -> Result<Vec<Recorded>, ArchiveError> {
        let Some(row) = self.stream(&stream.0)? else { return Ok(Vec::new()) };
        let (from, to) = (keys::event(row.0, after.saturating_add(1).min(row.1 + 1)), keys::event(row.0, row.1 + 1));
        self.rows.up(&from, &to).map(|event| self.frames.event(parse(&event?.1)?)).collect()
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
            Ok((Stream(String::from_utf8_lossy(&key[1..]).into_owned()), row.1))
        });
        streams.collect()
    }

    /// See [`Bin::entries`](crate::archive::Bin::entries).
    pub fn entries(&self, filter: &EntryFilter) -> Result<Page<Entry>, ArchiveError> {
        let mut below = cursor(filter.cursor.as_deref(), 'e')?.unwrap_or(ALL);
        let mut from = 0;
        if let Some(operation) = filter.operation {
            let Some(row) = self.operation_row(operation)? else { return Ok(Page { rows: Vec::new(), next: None }) };
            from = row.1.first;
            below = below.min(row.1.first + row.1.count);
        }
        let query = filter.q.as_deref().map(Query::parse).unwrap_or_default();
        let mut lists: Vec<Vec<Vec<u8>>> =
            query.terms(self.secret).iter().map(|terms| terms.iter().copied().map(postings).collect()).collect();
        if !filter.states.is_empty() {
            lists.push(filter.states.iter().map(|state| state_list(*state)).collect());
        }
        if lists.is_empty() {
            lists.push(vec![b"n".to_vec()]);
        }
        let mut candidates = Candidates::new(self.rows, lists, from, below);
        let limit = filter.limit.clamp(1, MOST);
        let mut rows = Vec::with_capacity(limit.min(200));
        let mut last = 0;
        while let Some(at) = candidates.next()? {
            let Some(row) = read::<EntryRow>(self.rows, &keys::entry(at))? else { continue };
            if !wanted(filter, &row) {
                continue;
            }
            let (entry, snapshot) = self.whole(row)?;
            if !query.is_empty() && !snapshot.is_some_and(|snapshot| query.matches(&Tokens::of(&snapshot))) {
                continue;
            }
            if rows.len() == limit {
                return Ok(Page { rows, next: Some(format!("e{last}")) });
            }
            rows.push(entry);
            last = at;
        }
        Ok(Page { rows, next: None })
    }

    /// One entry.
    pub fn entry(&self, id: EntryId) -> Result<Option<Entry>, ArchiveError> {
        let Some(at) = read::<u64>(self.rows, &keys::entry_id(id))? else { return Ok(None) };
        let Some(row) = read(self.rows, &keys::entry(at))? else { return Ok(None) };
        Ok(Some(self.whole(row)?.0))
    }

    /// The newest entry of a record that lies in the bin.
    pub fn in_bin(&self, connection: &str, record: &RecordRef) -> Result<Option<Entry>, ArchiveError> {
        let prefix = keys::entries_of(connection, record);
        for row in self.rows.down(&prefix, &keys::after(&prefix)) {
            let row: Option<EntryRow> = read(self.rows, &keys::entry(keys::tail(&row?.0)))?;
            if let Some(row) = row.filter(|row| in_bin(row.state)) {
                return Ok(Some(self.whole(row)?.0));
            }
        }
        Ok(None)
    }

    fn operation_row(&self, id: OperationId) -> Result<Option<(u64, OperationRow)>, ArchiveError> {
        let Some(stream) = self.stream(&Stream::operation(id).0)? else { return Ok(None) };
        Ok(read(self.rows, &keys::operation(stream.0))?.map(|row| (stream.0, row)))
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
        let states = filter.states.iter().map(|state| {
            let mut key = keys::operation_in(*state, 0);
            key.truncate(key.len() - keys::NUMBER);
            key
        });
        let mut begins: Vec<Vec<u8>> = states.collect();
        if begins.is_empty() {
            begins.push(b"o".to_vec());
        }
        let below = cursor(filter.cursor.as_deref(), 'o')?.unwrap_or(number(self.rows, keys::LAST_SEQ)? + 1);
        let mut candidates = Candidates::new(self.rows, vec![begins], 0, below);
        let limit = filter.limit.clamp(1, MOST);
        let mut rows = Vec::new();
        let mut last = 0;
        while let Some(at) = candidates.next()? {
            let Some(row) = read::<OperationRow>(self.rows, &keys::operation(at))? else { continue };
            if filter.connection.as_ref().is_some_and(|connection| *connection != row.connection) {
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
        read(self.rows, &keys::job(stream.0))?.map(|row| self.whole_job(row)).transpose()
    }

    /// Items of a job, in the order of the plan.
    pub fn items(&self, id: JobId, limit: usize, at: Option<&str>) -> Result<Page<Item>, ArchiveError> {
        let begin = cursor(at, 'i')?.map_or(0, |step| step + 1);
        let Some(stream) = self.stream(&Stream::job(id).0)? else { return Ok(Page { rows: Vec::new(), next: None }) };
        let begin = u32::try_from(begin).map_err(|_| bad_cursor())?;
        let (from, mut to) = (keys::item(stream.0, begin), keys::item(stream.0, u32::MAX));
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

fn wanted(filter: &EntryFilter, row: &EntryRow) -> bool {
    let hidden = matches!(row.state, EntryState::Kept | EntryState::Forgotten | EntryState::Erased);
    (!filter.states.is_empty() || !hidden)
        && filter.connection.as_ref().is_none_or(|connection| *connection == row.connection)
        && filter.object.as_ref().is_none_or(|object| *object == row.object)
        && filter.deleted_after.is_none_or(|at| row.at >= moment(at))
        && filter.deleted_before.is_none_or(|at| row.at < moment(at))
}

fn state_list(state: EntryState) -> Vec<u8> {
    let mut key = keys::entry_in(state, 0);
    key.truncate(key.len() - keys::NUMBER);
    key
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
