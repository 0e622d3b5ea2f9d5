//! A store in memory: the reference the durable one is measured by, and what tests of the floors above run on.
//! Nothing of it survives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::audit::{Anchor, Anchors, AuditReport};
use super::fold::apply::Fold;
use super::fold::keys;
use super::fold::rows::{Changes, Frames};
use super::fold::shelf::Shelf;
use super::{
    Act, Archive, ArchiveError, Bin, CheckReport, EntryFilter, Erasable, Ledger, OperationFilter, Page, Stats, Store,
    Write, subject_of,
};
use crate::domain::entry::{Entry, Operation};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId, SnapshotId};
use crate::domain::job::{Item, Job};
use crate::domain::plan::Plan;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::world::Clock;

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    clock: Arc<dyn Clock>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    frames: Kept,
}

#[derive(Debug, Default)]
struct Kept(Vec<Frame>);

#[derive(Debug)]
enum Frame {
    Event(Recorded),
    Snapshot(SnapshotId, Snapshot),
    Gone,
}

impl Kept {
    fn at(&self, place: u64) -> Result<&Frame, ArchiveError> {
        let frame = usize::try_from(place).ok().and_then(|place| self.0.get(place.checked_sub(1)?));
        frame.ok_or_else(|| ArchiveError::NotFound("a frame".to_owned()))
    }

    /// Place of the next frame; the first is 1, because 0 stands for none.
    fn end(&self) -> u64 {
        self.0.len() as u64 + 1
    }
}

impl Frames for Kept {
    fn event(&self, place: u64) -> Result<Recorded, ArchiveError> {
        match self.at(place)? {
            Frame::Event(recorded) => Ok(recorded.clone()),
            _ => Err(ArchiveError::NotFound("an event".to_owned())),
        }
    }
    fn snapshot(&self, place: u64) -> Result<(SnapshotId, Snapshot), ArchiveError> {
        match self.at(place)? {
            Frame::Snapshot(id, snapshot) => Ok((*id, snapshot.clone())),
            _ => Err(ArchiveError::NotFound("a snapshot".to_owned())),
        }
    }
}

fn erasable(shelf: &Shelf, connection: &str, record: &RecordRef) -> Result<Erasable, ArchiveError> {
    let mut what = shelf.erasable(connection, record)?;
    // Nothing of it survives the process, so nobody can try names on it.
    what.subject = blake3::hash(subject_of(connection, record).as_bytes()).to_hex().to_string();
    Ok(what)
}

impl Inside {
    fn change(&mut self, changes: Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl Memory {
    /// Empty.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inside: Mutex::default() }
    }

    fn ask<T>(&self, ask: impl FnOnce(&Shelf) -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        let inside = self.inside.lock().expect("nothing panics while it holds this lock");
        ask(&Shelf::new(&inside.rows, &inside.frames))
    }

    fn write(&self, write: &Write) -> Result<Vec<Recorded>, ArchiveError> {
        let at = self.clock.now();
        let mut inside = self.inside.lock().expect("nothing panics while it holds this lock");
        let Inside { rows, frames } = &*inside;
        let mut fold = Fold::over(rows, frames);
        let mut fresh = Vec::new();
        for snapshot in &write.snapshots {
            let id = snapshot.id();
            fold.snapshot(id, snapshot, frames.end() + fresh.len() as u64, None)?;
            fresh.push(Frame::Snapshot(id, snapshot.clone()));
        }
        let known = Shelf::new(rows, frames);
        let mut seq = known.number(keys::LAST_SEQ)?;
        let mut versions: BTreeMap<&Stream, u64> = BTreeMap::new();
        let mut all = Vec::new();
        for (stream, expected, events) in &write.appends {
            let found = match versions.get(stream) {
                Some(version) => *version,
                None => known.stream(&stream.0)?.map_or(0, |row| row.version),
            };
            if found != *expected {
                return Err(ArchiveError::Conflict { stream: stream.clone(), expected: *expected, found });
            }
            for (version, event) in (found + 1..).zip(events) {
                seq += 1;
                let recorded = Recorded { seq, stream: stream.clone(), version, at, event: event.clone() };
                fold.event(&recorded, frames.end() + fresh.len() as u64)?;
                fresh.push(Frame::Event(recorded.clone()));
                all.push(recorded);
                versions.insert(stream, version);
            }
        }
        let changes = fold.rows.changes;
        inside.change(changes);
        inside.frames.0.extend(fresh);
        Ok(all)
    }
}

#[async_trait]
impl Archive for Memory {
    async fn put(&self, snapshots: &[Snapshot]) -> Result<Vec<SnapshotId>, ArchiveError> {
        self.write(&Write { snapshots: snapshots.to_vec(), appends: Vec::new() })?;
        Ok(snapshots.iter().map(Snapshot::id).collect())
    }
    async fn get(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError> {
        self.ask(|shelf| shelf.snapshot(id))
    }
    async fn history(&self, connection: &str, of: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError> {
        self.ask(|shelf| shelf.history(connection, of))
    }
    async fn forget(&self, id: &SnapshotId) -> Result<(), ArchiveError> {
        let mut inside = self.inside.lock().expect("nothing panics while it holds this lock");
        let mut fold = Fold::over(&inside.rows, &inside.frames);
        fold.forgotten(id, inside.frames.end())?;
        let changes = fold.rows.changes;
        inside.change(changes);
        for frame in &mut inside.frames.0 {
            if matches!(frame, Frame::Snapshot(kept, _) if kept == id) {
                *frame = Frame::Gone;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for Memory {
    async fn append(&self, stream: &Stream, expected: u64, events: Vec<Event>) -> Result<Vec<Recorded>, ArchiveError> {
        self.write(&Write { snapshots: Vec::new(), appends: vec![(stream.clone(), expected, events)] })
    }
    async fn read(&self, stream: &Stream, after: u64) -> Result<Vec<Recorded>, ArchiveError> {
        self.ask(|shelf| shelf.read(stream, after))
    }
    async fn streams(&self, prefix: &str) -> Result<Vec<(Stream, u64)>, ArchiveError> {
        self.ask(|shelf| shelf.streams(prefix))
    }
}

#[async_trait]
impl Bin for Memory {
    async fn entries(&self, filter: &EntryFilter) -> Result<Page<Entry>, ArchiveError> {
        self.ask(|shelf| shelf.entries(filter))
    }
    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, ArchiveError> {
        self.ask(|shelf| shelf.entry(id))
    }
    async fn in_bin(&self, connection: &str, record: &RecordRef) -> Result<Option<Entry>, ArchiveError> {
        self.ask(|shelf| shelf.in_bin(connection, record))
    }
    async fn operations(&self, filter: &OperationFilter) -> Result<Page<Operation>, ArchiveError> {
        self.ask(|shelf| shelf.operations(filter))
    }
    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, ArchiveError> {
        self.ask(|shelf| shelf.operation(id))
    }
    async fn plan(&self, id: PlanId) -> Result<Option<Plan>, ArchiveError> {
        self.ask(|shelf| shelf.plan(id))
    }
    async fn jobs(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Job>, ArchiveError> {
        self.ask(|shelf| shelf.jobs(limit, cursor))
    }
    async fn job(&self, id: JobId) -> Result<Option<Job>, ArchiveError> {
        self.ask(|shelf| shelf.job(id))
    }
    async fn items(&self, id: JobId, limit: usize, cursor: Option<&str>) -> Result<Page<Item>, ArchiveError> {
        self.ask(|shelf| shelf.items(id, limit, cursor))
    }
    async fn audit(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Recorded>, ArchiveError> {
        self.ask(|shelf| shelf.audit(limit, cursor))
    }
    async fn successor(&self, connection: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError> {
        self.ask(|shelf| shelf.successor(connection, old))
    }
    fn successors(&self, connection: &str) -> u64 {
        self.ask(|shelf| shelf.number(&keys::successors(connection))).unwrap_or(u64::MAX)
    }
    async fn stats(&self) -> Result<Stats, ArchiveError> {
        self.ask(|shelf| {
            Ok(Stats {
                entries: shelf.number(keys::IN_BIN)?,
                journal_bytes: 0,
                last_seq: shelf.number(keys::LAST_SEQ)?,
            })
        })
    }
}

#[async_trait]
impl Store for Memory {
    async fn commit(&self, write: Write) -> Result<Vec<Recorded>, ArchiveError> {
        self.write(&write)
    }
    fn ready(&self) -> Result<(), ArchiveError> {
        Ok(())
    }
    async fn check(&self) -> Result<CheckReport, ArchiveError> {
        let inside = self.inside.lock().expect("nothing panics while it holds this lock");
        let mut report = CheckReport { frames: inside.frames.0.len() as u64, ..CheckReport::default() };
        for frame in &inside.frames.0 {
            if let Frame::Snapshot(id, snapshot) = frame {
                if snapshot.id() == *id {
                    report.snapshots += 1;
                } else {
                    report.damage.push(format!("snapshot {id}"));
                }
            }
        }
        Ok(report)
    }
    async fn anchor(&self, _: Option<Anchor>) -> Result<Anchor, ArchiveError> {
        Err(ArchiveError::Invalid("what is only in memory has no audit chain".to_owned()))
    }
    async fn verify(&self, _: Anchors) -> Result<AuditReport, ArchiveError> {
        Err(ArchiveError::Invalid("what is only in memory has no audit chain".to_owned()))
    }
    async fn erasable(&self, connection: &str, record: &RecordRef) -> Result<Erasable, ArchiveError> {
        self.ask(|shelf| erasable(shelf, connection, record))
    }
    async fn erase(&self, what: &Erasable, act: Act) -> Result<Recorded, ArchiveError> {
        let stream = Stream::erasures(&what.connection);
        let (now, version) = self.ask(|shelf| {
            let version = shelf.stream(&stream.0)?.map_or(0, |row| row.version);
            Ok((erasable(shelf, &what.connection, &what.record)?, version))
        })?;
        now.still(what)?;
        let event = Event::Erased(Box::new(now.event(act)));
        let recorded = self.append(&stream, version, vec![event]).await?;
        let mut inside = self.inside.lock().expect("nothing panics while it holds this lock");
        let gone: Vec<Stream> =
            (now.plans.iter().map(|id| Stream::plan(*id))).chain(now.jobs.iter().map(|id| Stream::job(*id))).collect();
        for frame in &mut inside.frames.0 {
            match frame {
                Frame::Snapshot(id, _) if now.snapshots.contains(id) => *frame = Frame::Gone,
                Frame::Event(kept) if gone.contains(&kept.stream) => {
                    if let Some(bare) = kept.event.without_values() {
                        kept.event = bare;
                    }
                }
                _ => {}
            }
        }
        drop(inside);
        recorded.into_iter().next().ok_or_else(|| ArchiveError::Unusable("nothing was recorded".to_owned()))
    }
}
