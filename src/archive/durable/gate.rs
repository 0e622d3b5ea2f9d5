//! Who may write now: commits about the same thing one after the other, all others together.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::archive::fold::shelf::Shelf;
use crate::archive::{ArchiveError, Erasable, Write, subject_of};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, SnapshotId};

/// What is being written about.
#[derive(Debug, Default)]
pub(super) struct Gate {
    busy: Mutex<HashSet<String>>,
    left: Notify,
}

/// Names of everything that a write is about.
#[derive(Debug, Default)]
pub(super) struct Touched(HashSet<String>);

impl Touched {
    /// A snapshot.
    pub(super) fn snapshot(id: &SnapshotId) -> Self {
        Self(HashSet::from([id.to_string()]))
    }

    /// Everything that is erased.
    pub(super) fn erased(what: &Erasable) -> Self {
        let mut names =
            HashSet::from([Stream::erasures(&what.connection).0, subject_of(&what.connection, &what.record)]);
        names.extend(what.entries.iter().map(ToString::to_string));
        names.extend(what.snapshots.iter().map(ToString::to_string));
        names.extend(what.plans.iter().map(|id| Stream::plan(*id).0));
        names.extend(what.jobs.iter().map(|id| Stream::job(*id).0));
        Self(names)
    }

    /// All of a write.
    pub(super) fn by(write: &Write) -> Self {
        let mut names = HashSet::new();
        for snapshot in &write.snapshots {
            // Its family must not be erased while something is sealed for it.
            names.insert(subject_of(&snapshot.connection, &snapshot.of));
        }
        for (stream, _, events) in &write.appends {
            names.insert(stream.0.clone());
            for event in events {
                match event {
                    Event::Captured { entries, .. } => {
                        for entry in entries {
                            names.insert(entry.id.to_string());
                            names.insert(entry.snapshot.to_string());
                        }
                    }
                    Event::PlanMade { plan, .. } => {
                        names.extend(plan.steps.iter().map(|step| step.entry.to_string()));
                    }
                    Event::Reviewed { freed, .. } => names.extend(freed.iter().map(EntryId::to_string)),
                    Event::Settled { fates, .. } => names.extend(fates.iter().map(|(id, _)| id.to_string())),
                    Event::Applying { steps } => names.extend(steps.iter().map(|(_, id, _)| id.to_string())),
                    Event::Applied { items } => {
                        names.extend(items.iter().map(|item| item.entry.to_string()));
                        // Circles of new ids are seen only one after the other.
                        names.insert("new ids".to_owned());
                    }
                    _ => {}
                }
            }
        }
        Self(names)
    }
}

/// Holds the names until it is dropped.
pub(super) struct Reserved<'a> {
    gate: &'a Gate,
    names: HashSet<String>,
}

impl Gate {
    /// Waits until nobody else writes about any of it.
    pub(super) async fn enter(&self, touched: Touched) -> Reserved<'_> {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            {
                let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
                if busy.is_disjoint(&touched.0) {
                    busy.extend(touched.0.iter().cloned());
                    return Reserved { gate: self, names: touched.0 };
                }
            }
            left.await;
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut busy = self.gate.busy.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &self.names {
            busy.remove(name);
        }
        drop(busy);
        self.gate.left.notify_waiters();
    }
}

/// The events with their versions, if the callers have seen the streams as they are. Positions are given later.
pub(super) fn versions(shelf: &Shelf, write: &Write, at: Timestamp) -> Result<Vec<Recorded>, ArchiveError> {
    let mut versions: BTreeMap<&Stream, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for (stream, expected, events) in &write.appends {
        let found = match versions.get(stream) {
            Some(version) => *version,
            None => shelf.stream(&stream.0)?.map_or(0, |row| row.version),
        };
        if found != *expected {
            return Err(ArchiveError::Conflict { stream: stream.clone(), expected: *expected, found });
        }
        versions.insert(stream, found + events.len() as u64);
        for (version, event) in (found + 1..).zip(events) {
            all.push(Recorded { seq: 0, stream: stream.clone(), version, at, event: event.clone() });
        }
    }
    Ok(all)
}
