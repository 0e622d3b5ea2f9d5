//! The store on disk. A commit is durable in the journal first and then added up in memory; it is acknowledged when both
//! are done, so that what was acknowledged can be asked for. Into sled it comes later.
//!
//! Which commit comes first is decided before the journal: a commit reserves the streams, entries and snapshots it is
//! about, its versions are compared and its events tried out, and only then it is written. Commits about different
//! things are on their way at the same time and share one `fdatasync`; one about the same thing waits for the other.

mod check;
mod erase;
#[cfg(test)]
mod erased;
mod families;
mod gate;
#[cfg(test)]
mod lag;
#[cfg(test)]
pub(crate) mod simulated;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::fold::apply::Fold;
use super::fold::keys;
use super::fold::shelf::Shelf;
use super::index::keeper::{Keeper, Told};
use super::index::open::{self, Origin};
use super::index::truth;
use super::journal::{self, Draft, Journal};
use super::sealed::Sealer;
use super::{ArchiveError, Write};
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
use crate::domain::world::Clock;
use families::Families;
use gate::{Gate, Touched};
use secrecy::SecretString;

pub use super::index::open::Opened;
pub use erase::erase_again;

/// Frames from which adding a commit up leaves the caller's runtime thread.
const LARGE: usize = 100;

/// A place that is none: events are only tried out.
const TRIED: u64 = 1;

/// How to open a durable store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory; the journal lies in `journal`, the index in `index` below it.
    pub dir: PathBuf,
    /// The file with the key; `None`: `archive.key` in `dir`. Made if there is no archive yet.
    pub key_file: Option<PathBuf>,
    /// The key itself, instead of a file.
    pub key: Option<SecretString>,
    /// Destructive work is refused below this; 0: the larger of 1 GiB and 5 % of the disk.
    pub min_free_bytes: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// Where the key lies, unless it is given.
    pub fn key_path(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.dir.join("archive.key"))
    }
}

/// The store on disk.
#[derive(Debug)]
pub struct Durable {
    inner: Arc<Inner>,
    opened: Opened,
    recovery: journal::Recovery,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    keeper: Arc<Keeper>,
    gate: Gate,
    /// Last position of the ledger that was given out.
    seq: Mutex<u64>,
    /// What the hashes of erased records are made with.
    subjects: [u8; 32],
}

/// Opens the archive of a directory, or makes it. Blocks.
pub fn open(options: Options) -> Result<Durable, ArchiveError> {
    open_with(options, journal::Options::new)
}

/// The same, with a journal of other sizes.
fn open_with(options: Options, how: impl Fn(PathBuf) -> journal::Options) -> Result<Durable, ArchiveError> {
    let dir = options.dir.join("journal");
    let sealer = if let Some(key) = &options.key {
        Sealer::with_key(key, &dir)?
    } else {
        Sealer::open_or_create(&options.key_path(), &dir)?
    };
    let name = blake3::Hash::from_bytes(blake3::derive_key("crm-undo 2026 index of", &sealer.mac(&[b"index of"])));
    let material = [sealer.mac(&[b"index, first half"]), sealer.mac(&[b"index, second half"])].concat();
    let secret = blake3::derive_key("crm-undo 2026 index sealing", &material);
    let name = name.to_hex().to_string();
    let material = [sealer.mac(&[b"subjects, first half"]), sealer.mac(&[b"subjects, second half"])].concat();
    let subjects = blake3::derive_key("crm-undo 2026 hashes of erased records", &material);
    let mut how = how(dir);
    how.min_free_bytes = options.min_free_bytes;
    let (journal, recovery) = Journal::open(how, sealer)?;
    let journal = Arc::new(journal);
    let index = options.dir.join("index");
    let (table, opened) = open::open(&index, &Origin { journal: &journal, name: &name, secret: &secret })?;
    let seq = super::fold::rows::number(&table, keys::LAST_SEQ)?;
    let keeper = Arc::new(Keeper::new(table, journal, name, index));
    let thread = keeper.start()?;
    let inner = Inner { clock: options.clock, keeper, gate: Gate::default(), seq: Mutex::new(seq), subjects };
    Ok(Durable { inner: Arc::new(inner), opened, recovery, thread: Some(thread) })
}

impl Durable {
    /// What opening had to do to the index.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Names of the journal's segments, each with how many of its bytes are durable.
    pub(crate) fn extent(&self) -> Vec<(String, u64)> {
        self.inner.keeper.journal.extent()
    }

    /// What opening had to do to the journal.
    pub fn recovery(&self) -> &journal::Recovery {
        &self.recovery
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.inner.keeper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// Asks the rows as they are now: all of a commit or nothing.
    fn ask<T>(&self, ask: impl FnOnce(&Shelf) -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        let keeper = &self.keeper;
        let done = super::index::table::guarded(|| ask(&Shelf::new(&keeper.view(), keeper.journal.as_ref())));
        if let Err(error @ ArchiveError::Unusable(_)) = &done {
            keeper.spoil(error);
        }
        done
    }

    async fn write(self: Arc<Self>, write: Write) -> Result<Vec<Recorded>, ArchiveError> {
        let _reserved = self.gate.enter(Touched::by(&write)).await;
        self.keeper.room().await?;
        let at = self.clock.now();
        let mut recorded = self.ask(|shelf| gate::versions(shelf, &write, at))?;
        let Write { snapshots, .. } = write;
        let named: Vec<(SnapshotId, Vec<u8>)> = snapshots
            .iter()
            .map(|snapshot| {
                let encoded = snapshot.encode();
                (SnapshotId(*blake3::hash(&encoded).as_bytes()), encoded)
            })
            .collect();
        self.number(&mut recorded);
        self.try_out(&snapshots, &named, &recorded)?;
        let mut drafts: Vec<Draft> = Vec::new();
        let mut told = Vec::new();
        let mut families = Families::new(&self);
        for ((id, encoded), snapshot) in named.into_iter().zip(snapshots) {
            if told.iter().any(|one| matches!(one, Told::Snapshot(fresh, ..) if *fresh == id)) {
                continue;
            }
            let slot = families.of_record(&snapshot.connection, &snapshot.of)?;
            drafts.push(truth::snapshot_draft(&id, encoded, slot));
            told.push(Told::Snapshot(id, snapshot, slot));
        }
        for one in &recorded {
            let slot = one.event.without_values().map(|_| families.of_stream(&one.stream)).transpose()?;
            drafts.push(truth::event_draft(one, slot));
            told.push(Told::Event(one.clone(), slot));
        }
        self.keep(drafts, told, &[]).await?;
        Ok(recorded)
    }

    async fn forget(self: Arc<Self>, id: SnapshotId) -> Result<(), ArchiveError> {
        let _reserved = self.gate.enter(Touched::snapshot(&id)).await;
        self.keeper.room().await?;
        self.keep(vec![truth::forgotten_draft(&id)], vec![Told::Forgotten(id)], &[]).await
    }

    /// Gives out positions in the ledger.
    fn number(&self, recorded: &mut [Recorded]) {
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        for one in recorded {
            *seq += 1;
            one.seq = *seq;
        }
    }

    /// Whether these events may happen. A position that was given out for one that may not is never used.
    fn try_out(
        &self,
        snapshots: &[crate::domain::record::Snapshot],
        named: &[(SnapshotId, Vec<u8>)],
        recorded: &[Recorded],
    ) -> Result<(), ArchiveError> {
        let keeper = &self.keeper;
        super::index::table::guarded(|| {
            let view = keeper.view();
            let mut fold = Fold::over(&view, keeper.journal.as_ref());
            fold.dry = true;
            for ((id, _), snapshot) in named.iter().zip(snapshots) {
                fold.snapshot(*id, snapshot, TRIED, None)?;
            }
            for one in recorded {
                fold.event(one, TRIED)?;
            }
            Ok(())
        })
    }

    /// Journal, then keys that are to be destroyed, then index.
    async fn keep(&self, drafts: Vec<Draft>, told: Vec<Told>, destroy: &[u32]) -> Result<(), ArchiveError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let keeper = &self.keeper;
        let ticket = keeper.begin();
        let places = match keeper.journal.append(drafts).await {
            Ok(places) => places,
            Err(error) => {
                // A poisoned journal takes no more; what it may hold of this is seen when it is opened again.
                if keeper.journal.writable().is_ok() {
                    keeper.give_up(ticket);
                }
                return Err(error);
            }
        };
        if !destroy.is_empty() {
            // The ticket is kept if this fails: the next start reads the erasure again, and finishes it.
            keeper.journal.destroy(destroy).inspect_err(|error| keeper.spoil(error))?;
        }
        let told: Vec<(u64, Told)> = places.into_iter().map(truth::number).zip(told).collect();
        if told.len() < LARGE {
            return keeper.bring_in(ticket, &told);
        }
        let keeper = Arc::clone(keeper);
        let done = tokio::task::spawn_blocking(move || keeper.bring_in(ticket, &told)).await;
        done.unwrap_or_else(|error| Err(ArchiveError::Unusable(format!("a task of it ended: {error}"))))
    }
}
