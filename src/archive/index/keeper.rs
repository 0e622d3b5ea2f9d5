//! Commits into rows: at once in memory, a little later, on a thread of its own, in sled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use super::open::doubt;
use super::overlay::Overlay;
use super::table::{Head, Table, VERSION, guarded};
use super::truth;
use super::view::View;
use crate::archive::ArchiveError;
use crate::archive::fold::apply::Fold;
use crate::archive::fold::rows::Stop;
use crate::archive::journal::Journal;
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// How many changes, or bytes of them, wait in memory before commits wait for sled.
const MOST: (usize, usize) = (1 << 18, 32 << 20);
/// How many are worth being written at once; otherwise they wait this long. Every time, pages are written anew for few
/// rows each, and sled grows by that; a crash costs reading so much of the journal again.
const WORTH: usize = 1 << 17;
/// How long closing waits for sled.
const CLOSE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);

/// What one frame says.
#[derive(Debug)]
pub(crate) enum Told {
    /// And the slot of the key that seals its values, if it has any.
    Event(Recorded, Option<u32>),
    Snapshot(SnapshotId, Snapshot, u32),
    /// A snapshot that was erased: half of its address.
    Gone([u8; 16]),
    Forgotten(SnapshotId),
}

impl Told {
    /// Adds it up.
    pub(crate) fn tell(&self, fold: &mut Fold, place: u64) -> Result<(), Stop> {
        match self {
            Self::Event(recorded, slot) => {
                if let Some(slot) = slot {
                    fold.sealed(recorded, *slot)?;
                }
                fold.event(recorded, place)
            }
            Self::Snapshot(id, snapshot, slot) => fold.snapshot(*id, snapshot, place, Some(*slot)),
            Self::Gone(half) => fold.gone(half),
            Self::Forgotten(id) => fold.forgotten(id, place),
        }
    }
}

/// What the thread shares with the store.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub overlay: Overlay,
    pub table: Table,
    pub journal: Arc<Journal>,
    pub name: String,
    pub dir: PathBuf,
    /// Where the journal ended when each unfinished commit began: none of its frames lies before. Commits are added
    /// up while it is held.
    begun: Mutex<Begun>,
    /// One at a time moves rows into sled.
    moving: Mutex<()>,
    room: Notify,
    bell: (Mutex<Bell>, Condvar),
    wrong: OnceLock<String>,
}

#[derive(Debug, Default)]
struct Begun {
    last: u64,
    at: BTreeMap<u64, u64>,
}

#[derive(Debug, Default)]
struct Bell {
    stop: bool,
    /// Nothing is moved into sled, so that tests see what happens before.
    held: bool,
}

impl Keeper {
    pub(crate) fn new(table: Table, journal: Arc<Journal>, name: String, dir: PathBuf) -> Self {
        Self {
            overlay: Overlay::default(),
            table,
            journal,
            name,
            dir,
            begun: Mutex::default(),
            moving: Mutex::default(),
            room: Notify::new(),
            bell: (Mutex::default(), Condvar::new()),
            wrong: OnceLock::new(),
        }
    }

    /// Starts the thread; it ends after [`stop`](Self::stop).
    pub(crate) fn start(self: &Arc<Self>) -> Result<JoinHandle<()>, ArchiveError> {
        let keeper = Arc::clone(self);
        let thread = std::thread::Builder::new().name("archive-index".to_owned()).spawn(move || keeper.run());
        thread.map_err(|error| ArchiveError::Unusable(format!("the index's thread cannot be started: {error}")))
    }

    /// Moves what is left into sled, then the thread ends.
    pub(crate) fn stop(&self) {
        self.bell().stop = true;
        self.bell.1.notify_all();
    }

    fn bell(&self) -> std::sync::MutexGuard<'_, Bell> {
        self.bell.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows as they are now.
    pub(crate) fn view(&self) -> View<'_> {
        View::new(&self.overlay, &self.table)
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
        self.room.notify_waiters();
    }

    /// Waits while too much is on its way into sled.
    pub(crate) async fn room(&self) -> Result<(), ArchiveError> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            self.caught_up()?;
            let held = self.overlay.held();
            if held.changes < MOST.0 && held.bytes < MOST.1 {
                return Ok(());
            }
            self.bell.1.notify_all();
            room.await;
        }
    }

    /// A commit is about to be written to the journal.
    pub(crate) fn begin(&self) -> u64 {
        let mut begun = self.begun();
        begun.last += 1;
        let ticket = begun.last;
        let end = truth::number(self.journal.end());
        begun.at.insert(ticket, end);
        ticket
    }

    /// Nothing of a commit is in the journal. One of which that is not certain stays, so that the checkpoint never
    /// passes it.
    pub(crate) fn give_up(&self, ticket: u64) {
        self.begun().at.remove(&ticket);
    }

    /// A commit is durable in the journal: from now on it is seen.
    pub(crate) fn bring_in(&self, ticket: u64, told: &[(u64, Told)]) -> Result<(), ArchiveError> {
        let done = {
            let mut begun = self.begun();
            let done = self.caught_up().and_then(|()| {
                guarded(|| {
                    let view = self.view();
                    let mut fold = Fold::over(&view, self.journal.as_ref());
                    for (place, told) in told {
                        told.tell(&mut fold, *place)?;
                    }
                    self.overlay.commit(fold.rows.changes);
                    Ok(())
                })
            });
            if done.is_ok() {
                begun.at.remove(&ticket);
            }
            done
        };
        if let Err(error) = &done
            && self.wrong.get().is_none()
        {
            self.spoil(error);
            self.caught_up()?;
        }
        if done.is_ok() && self.overlay.held().changes >= WORTH {
            self.bell.1.notify_all();
        }
        done
    }

    fn run(&self) {
        let mut stop = false;
        while !stop {
            {
                let bell = self.bell();
                let idle = |bell: &mut Bell| !bell.stop && (bell.held || self.overlay.held().changes < WORTH);
                let (bell, _) =
                    self.bell.1.wait_timeout_while(bell, PAUSE, idle).unwrap_or_else(PoisonError::into_inner);
                stop = bell.stop;
                if bell.held {
                    continue;
                }
            }
            // A loss of what sled holds in memory costs reading that much of the journal again.
            let move_on = || self.move_on().and_then(|()| Table::flush(&self.table.handle()));
            if self.caught_up().is_ok()
                && let Err(error) = guarded(move_on)
            {
                self.spoil(&error);
            }
        }
        // A flush of a sled in which something failed waits for ever, and keeps a lock of all sleds of this process
        // while it does. What is not written is read from the journal again.
        if self.caught_up().is_err() {
            return self.table.abandon();
        }
        let (done, waiting) = std::sync::mpsc::channel();
        let table = self.table.handle();
        let flushed = std::thread::Builder::new().name("archive-flush".to_owned()).spawn(move || {
            let _ = guarded(|| Table::flush(&table));
            drop(table);
            let _ = done.send(());
        });
        if flushed.is_ok() && waiting.recv_timeout(CLOSE).is_err() {
            self.table.abandon();
        }
    }

    /// Moves what there is now from memory into sled.
    fn move_on(&self) -> Result<(), ArchiveError> {
        let _alone = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, head) = {
            let begun = self.begun();
            // Up to the earliest commit that is still on its way.
            let place = begun.at.values().min().copied().unwrap_or_else(|| truth::number(self.journal.end()));
            (
                self.overlay.held(),
                Head { version: VERSION, journal: self.name.clone(), place, slot: self.table.slot.into() },
            )
        };
        if last.changes == 0 {
            return Ok(());
        }
        // Who looks at an older commit must not find rows of a later one in sled.
        self.overlay.outwait();
        let changes = self.overlay.until(last.last);
        self.table.apply(&changes, &head)?;
        // Who may have read a page before it was exchanged still needs its changes.
        self.overlay.outwait();
        self.overlay.forget(&changes, last.last);
        self.room.notify_waiters();
        Ok(())
    }

    /// Stops moving, or goes on.
    #[cfg(test)]
    pub(crate) fn hold(&self, held: bool) {
        self.bell().held = held;
        self.bell.1.notify_all();
    }

    /// Moves at once.
    #[cfg(test)]
    pub(crate) fn settle(&self) {
        self.move_on().expect("moved");
    }

    /// Moves as far as the table lets it; whether that was all.
    #[cfg(test)]
    pub(crate) fn try_settle(&self) -> bool {
        self.move_on().is_ok()
    }
}
