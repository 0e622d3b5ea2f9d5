//! The thread that brings committed frames into the rows: one writer, several commits at a time.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::gathered::Gathered;
use super::open::doubt;
use super::table::{Head, Table, VERSION, guarded};
use super::truth;
use crate::archive::ArchiveError;
use crate::archive::fold::apply::Fold;
use crate::archive::fold::keys;
use crate::archive::fold::rows::{Stop, number};
use crate::archive::fold::terms::Secret;
use crate::archive::journal::Journal;
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// Commits added up together.
const TOGETHER: usize = 32;

/// What one frame says.
#[derive(Debug)]
pub(crate) enum Told {
    Event(Recorded),
    Snapshot(SnapshotId, Snapshot),
    Forgotten(SnapshotId),
}

impl Told {
    /// Adds it up.
    pub(crate) fn tell<'a>(&'a self, fold: &mut Fold<'a>, place: u64) -> Result<(), Stop> {
        match self {
            Self::Event(recorded) => fold.event(recorded, place),
            Self::Snapshot(id, snapshot) => fold.snapshot(*id, snapshot, place),
            Self::Forgotten(id) => fold.forgotten(id, place),
        }
    }
}

/// Frames that are durable, and who waits until they are in the rows.
pub(crate) struct Work {
    pub ticket: u64,
    pub told: Vec<(u64, Told)>,
    pub answer: oneshot::Sender<Result<(), ArchiveError>>,
}

/// What the thread shares with the store.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub table: Table,
    pub journal: Arc<Journal>,
    pub secret: Secret,
    pub name: String,
    pub dir: PathBuf,
    /// Where the journal ended when each unfinished commit began: none of its frames lies before.
    pub begun: Mutex<BTreeMap<u64, u64>>,
    /// How many old ids of a connection have a successor, once asked for. The gateway asks before every request.
    successors: RwLock<HashMap<String, u64>>,
    wrong: OnceLock<String>,
}

impl Keeper {
    pub(crate) fn new(table: Table, journal: Arc<Journal>, secret: Secret, name: String, dir: PathBuf) -> Self {
        Self {
            table,
            journal,
            secret,
            name,
            dir,
            begun: Mutex::default(),
            successors: RwLock::default(),
            wrong: OnceLock::new(),
        }
    }

    /// How many old ids of a connection have a successor.
    pub(crate) fn successors(&self, connection: &str) -> Result<u64, ArchiveError> {
        let known = self.successors.read().unwrap_or_else(PoisonError::into_inner).get(connection).copied();
        if let Some(count) = known {
            return Ok(count);
        }
        // Read under the lock, so that what is forgotten after a change was read before it.
        let mut all = self.successors.write().unwrap_or_else(PoisonError::into_inner);
        let count = guarded(|| number(&self.table, &keys::successors(connection)))?;
        all.insert(connection.to_owned(), count);
        Ok(count)
    }

    /// Starts the thread; it ends when the sender is dropped.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(Sender<Work>, JoinHandle<()>), ArchiveError> {
        let (sender, receiver) = channel();
        let keeper = Arc::clone(self);
        let thread = std::thread::Builder::new().name("archive-index".to_owned()).spawn(move || keeper.run(&receiver));
        let thread =
            thread.map_err(|error| ArchiveError::Unusable(format!("the index's thread cannot be started: {error}")))?;
        Ok((sender, thread))
    }

    /// Whether the rows say all that has been acknowledged.
    pub(crate) fn caught_up(&self) -> Result<(), ArchiveError> {
        self.wrong.get().map_or(Ok(()), |why| Err(ArchiveError::Unusable(why.clone())))
    }

    /// From now on nothing is acknowledged; the next start adds the rows up anew.
    pub(crate) fn spoil(&self, why: &ArchiveError) {
        let _ =
            self.wrong.set(format!("its index does not follow the journal any more ({why}); restart to rebuild it"));
        let _ = std::fs::write(doubt(&self.dir), b"");
    }

    fn run(&self, receiver: &Receiver<Work>) {
        while let Ok(first) = receiver.recv() {
            let mut group = vec![first];
            group.extend(receiver.try_iter().take(TOGETHER - 1));
            let done = self.caught_up().and_then(|()| guarded(|| self.bring_in(&group)));
            if let Err(error) = &done
                && self.wrong.get().is_none()
            {
                self.spoil(error);
            }
            for work in group {
                self.finish(work.ticket, done.is_ok());
                let _ = work.answer.send(done.as_ref().copied().map_err(|_| {
                    self.caught_up().err().unwrap_or_else(|| ArchiveError::Unusable("its index failed".to_owned()))
                }));
            }
        }
        let _ = guarded(|| self.table.flush());
    }

    /// The commit is no longer on its way. One that failed stays, so that the checkpoint never passes it.
    pub(crate) fn finish(&self, ticket: u64, well: bool) {
        if well {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        }
    }

    fn bring_in(&self, group: &[Work]) -> Result<(), ArchiveError> {
        let mut gathered = Gathered::over(&self.table);
        for (at, work) in group.iter().enumerate() {
            let mut fold = Fold::over(&gathered.rows, self.journal.as_ref(), &self.secret);
            for (place, told) in &work.told {
                told.tell(&mut fold, *place)?;
            }
            let changes = fold.rows.changes;
            gathered.add(changes, || self.head(&group[..at]))?;
        }
        let moved = gathered.write(&self.head(group))?;
        if moved {
            self.successors.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(())
    }

    /// How far the rows are with these commits: up to the earliest commit that is still on its way.
    fn head(&self, group: &[Work]) -> Head {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let others = begun.iter().filter(|(ticket, _)| !group.iter().any(|work| work.ticket == **ticket));
        let place = others.map(|(_, place)| *place).min().unwrap_or_else(|| truth::number(self.journal.end()));
        Head { version: VERSION, journal: self.name.clone(), place }
    }
}
