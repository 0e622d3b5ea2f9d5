//! The traits of the archive, asked of the rows and written by commits.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Durable, check};
use crate::archive::audit::{self, Anchor, Anchors, AuditReport};
use crate::archive::fold::keys;
use crate::archive::fold::shelf::Shelf;
use crate::archive::{
    Act, Archive, ArchiveError, Bin, CheckReport, EntryFilter, Erasable, Ledger, OperationFilter, Page, Stats, Store,
    Write,
};
use crate::domain::entry::{Entry, Operation};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId, SnapshotId};
use crate::domain::job::{Item, Job};
use crate::domain::plan::Plan;
use crate::domain::record::{RecordRef, Snapshot};

impl Durable {
    async fn write(&self, write: Write) -> Result<Vec<Recorded>, ArchiveError> {
        to_the_end(Arc::clone(&self.inner).write(write)).await
    }

    /// On a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shelf) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let inner = Arc::clone(&self.inner);
        // Without its thread it is a simulation, where everything happens on one.
        #[cfg(test)]
        if self.thread.is_none() {
            return inner.ask(ask);
        }
        by_itself(tokio::task::spawn_blocking(move || inner.ask(ask))).await
    }
}

/// A caller who stops waiting must not leave a write half way: it goes on by itself then. Until then it runs where the
/// caller does, because a task of its own costs two changes of threads.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    struct Rest<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

    impl<T: Send + 'static> Drop for Rest<T> {
        fn drop(&mut self) {
            if let Some(work) = self.0.take()
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                runtime.spawn(work);
            }
        }
    }

    let mut rest = Rest(Some(Box::pin(work)));
    let done = std::future::poll_fn(|context| {
        let work = rest.0.as_mut().expect("it is taken only when it is done, or dropped");
        work.as_mut().poll(context)
    })
    .await;
    // What is done must not be polled again.
    rest.0 = None;
    done
}

async fn by_itself<T>(task: tokio::task::JoinHandle<Result<T, ArchiveError>>) -> Result<T, ArchiveError> {
    task.await.unwrap_or_else(|error| Err(ArchiveError::Unusable(format!("a task of it ended: {error}"))))
}

#[async_trait]
impl Archive for Durable {
    async fn put(&self, snapshots: &[Snapshot]) -> Result<Vec<SnapshotId>, ArchiveError> {
        let ids = snapshots.iter().map(Snapshot::id).collect();
        self.write(Write { snapshots: snapshots.to_vec(), appends: Vec::new() }).await?;
        Ok(ids)
    }
    async fn get(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError> {
        let id = *id;
        self.ask(move |shelf| shelf.snapshot(&id)).await
    }
    async fn history(&self, connection: &str, of: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError> {
        let (connection, of) = (connection.to_owned(), of.clone());
        self.ask(move |shelf| shelf.history(&connection, &of)).await
    }
    async fn forget(&self, id: &SnapshotId) -> Result<(), ArchiveError> {
        to_the_end(Arc::clone(&self.inner).forget(*id)).await
    }
}

#[async_trait]
impl Ledger for Durable {
    async fn append(&self, stream: &Stream, expected: u64, events: Vec<Event>) -> Result<Vec<Recorded>, ArchiveError> {
        self.write(Write { snapshots: Vec::new(), appends: vec![(stream.clone(), expected, events)] }).await
    }
    async fn read(&self, stream: &Stream, after: u64) -> Result<Vec<Recorded>, ArchiveError> {
        let stream = stream.clone();
        self.ask(move |shelf| shelf.read(&stream, after)).await
    }
    async fn streams(&self, prefix: &str) -> Result<Vec<(Stream, u64)>, ArchiveError> {
        let prefix = prefix.to_owned();
        self.ask(move |shelf| shelf.streams(&prefix)).await
    }
}

#[async_trait]
impl Bin for Durable {
    async fn entries(&self, filter: &EntryFilter) -> Result<Page<Entry>, ArchiveError> {
        let filter = filter.clone();
        self.ask(move |shelf| shelf.entries(&filter)).await
    }
    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, ArchiveError> {
        self.ask(move |shelf| shelf.entry(id)).await
    }
    async fn in_bin(&self, connection: &str, record: &RecordRef) -> Result<Option<Entry>, ArchiveError> {
        let (connection, record) = (connection.to_owned(), record.clone());
        self.ask(move |shelf| shelf.in_bin(&connection, &record)).await
    }
    async fn operations(&self, filter: &OperationFilter) -> Result<Page<Operation>, ArchiveError> {
        let filter = filter.clone();
        self.ask(move |shelf| shelf.operations(&filter)).await
    }
    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, ArchiveError> {
        self.ask(move |shelf| shelf.operation(id)).await
    }
    async fn plan(&self, id: PlanId) -> Result<Option<Plan>, ArchiveError> {
        self.ask(move |shelf| shelf.plan(id)).await
    }
    async fn jobs(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Job>, ArchiveError> {
        let cursor = cursor.map(str::to_owned);
        self.ask(move |shelf| shelf.jobs(limit, cursor.as_deref())).await
    }
    async fn job(&self, id: JobId) -> Result<Option<Job>, ArchiveError> {
        self.ask(move |shelf| shelf.job(id)).await
    }
    async fn items(&self, id: JobId, limit: usize, cursor: Option<&str>) -> Result<Page<Item>, ArchiveError> {
        let cursor = cursor.map(str::to_owned);
        self.ask(move |shelf| shelf.items(id, limit, cursor.as_deref())).await
    }
    async fn audit(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Recorded>, ArchiveError> {
        let cursor = cursor.map(str::to_owned);
        self.ask(move |shelf| shelf.audit(limit, cursor.as_deref())).await
    }
    async fn successor(&self, connection: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError> {
        self.inner.ask(|shelf| shelf.successor(connection, old))
    }
    fn successors(&self, connection: &str) -> u64 {
        // Not to be known is not to be skipped.
        self.inner.ask(|shelf| shelf.number(&keys::successors(connection))).unwrap_or(u64::MAX)
    }
    async fn stats(&self) -> Result<Stats, ArchiveError> {
        let journal_bytes = self.inner.keeper.journal.bytes();
        let rows = |shelf: &Shelf| Ok((shelf.number(keys::IN_BIN)?, shelf.number(keys::LAST_SEQ)?));
        let (entries, last_seq) = self.inner.ask(rows)?;
        Ok(Stats { entries, journal_bytes, last_seq })
    }
}

#[async_trait]
impl Store for Durable {
    async fn commit(&self, write: Write) -> Result<Vec<Recorded>, ArchiveError> {
        self.write(write).await
    }
    fn ready(&self) -> Result<(), ArchiveError> {
        self.inner.keeper.caught_up()?;
        self.inner.keeper.journal.writable()
    }
    async fn check(&self) -> Result<CheckReport, ArchiveError> {
        let keeper = Arc::clone(&self.inner.keeper);
        by_itself(tokio::task::spawn_blocking(move || check::check(&keeper))).await
    }
    async fn anchor(&self, since: Option<Anchor>) -> Result<Anchor, ArchiveError> {
        // Read first: what the rows show is in the journal.
        let ledger = self.stats().await?.last_seq;
        let (keeper, at) = (Arc::clone(&self.inner.keeper), self.inner.clock.now());
        let work = move || audit::anchor(&keeper.journal, since.as_ref(), ledger, at);
        by_itself(tokio::task::spawn_blocking(work)).await
    }
    async fn verify(&self, anchors: Anchors) -> Result<AuditReport, ArchiveError> {
        let keeper = Arc::clone(&self.inner.keeper);
        by_itself(tokio::task::spawn_blocking(move || audit::verify(&keeper.journal, &anchors))).await
    }
    async fn erasable(&self, connection: &str, record: &RecordRef) -> Result<Erasable, ArchiveError> {
        let (inner, connection, record) = (Arc::clone(&self.inner), connection.to_owned(), record.clone());
        self.ask(move |shelf| inner.erasable(shelf, &connection, &record)).await
    }
    async fn erase(&self, what: &Erasable, act: Act) -> Result<Recorded, ArchiveError> {
        to_the_end(Arc::clone(&self.inner).erase(what.clone(), act)).await
    }
}
