//! Which jobs wait, which run, what was asked of those that run, and who watches. In memory: the ledger has the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::domain::ids::JobId;

/// What a person asked of a job that runs. It is heeded between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Pause,
    Cancel,
}

/// Every job this process knows of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changed: Notify,
    news: broadcast::Sender<JobId>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<String, VecDeque<JobId>>,
    running: HashMap<JobId, Option<Order>>,
    /// Seconds that whole jobs take, as their plans estimated.
    etas: HashMap<JobId, u64>,
}

impl Default for Shared {
    fn default() -> Self {
        // Somebody who falls behind reads the job's state instead of the news: nothing is missed for good.
        let (news, _) = broadcast::channel(256);
        Self { table: Mutex::default(), changed: Notify::new(), news, stopping: CancellationToken::new() }
    }
}

/// The job runs in this process until this is dropped.
#[derive(Debug)]
pub(super) struct Running(Jobs, JobId);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.table().running.remove(&self.1);
        self.0.tell(self.1);
    }
}

impl Jobs {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end of its connection's line, unless it stands there already.
    pub(super) fn add(&self, connection: &str, id: JobId) {
        let mut table = self.table();
        let line = table.waiting.entry(connection.to_owned()).or_default();
        if !line.contains(&id) {
            line.push_back(id);
        }
        drop(table);
        self.0.changed.notify_waiters();
        self.tell(id);
    }

    /// The next job of a connection; waits for one. `None`: the process stops.
    pub(super) async fn next(&self, connection: &str, shutdown: &CancellationToken) -> Option<JobId> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that a job added just after the look is not missed.
            changed.as_mut().enable();
            if shutdown.is_cancelled() {
                return None;
            }
            if let Some(id) = self.table().waiting.get_mut(connection).and_then(VecDeque::pop_front) {
                return Some(id);
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                () = changed => {}
            }
        }
    }

    pub(super) fn starts(&self, id: JobId) -> Running {
        self.table().running.entry(id).or_insert(None);
        Running(self.clone(), id)
    }

    /// Asks something of a job that runs here. `false`: it does not run here.
    pub(super) fn order(&self, id: JobId, order: Option<Order>) -> bool {
        let mut table = self.table();
        let Some(slot) = table.running.get_mut(&id) else { return false };
        // Cancelled is cancelled, whatever is asked afterwards.
        if *slot != Some(Order::Cancel) {
            *slot = order;
        }
        drop(table);
        self.0.changed.notify_waiters();
        true
    }

    pub(super) fn asked(&self, id: JobId) -> Option<Order> {
        self.table().running.get(&id).copied().flatten()
    }

    /// Waits this long, or until something was asked of a job.
    pub(super) async fn pause(&self, wait: std::time::Duration, id: JobId, shutdown: &CancellationToken) {
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.asked(id).is_some() || shutdown.is_cancelled() {
                return;
            }
            tokio::select! {
                biased;
                () = &mut end => return,
                () = shutdown.cancelled() => return,
                () = changed => {}
            }
        }
    }

    pub(super) fn eta(&self, id: JobId) -> Option<u64> {
        self.table().etas.get(&id).copied()
    }

    pub(super) fn estimated(&self, id: JobId, seconds: u64) -> u64 {
        self.table().etas.insert(id, seconds);
        seconds
    }

    /// Tells those who watch that a job has changed.
    pub(in crate::engine) fn tell(&self, id: JobId) {
        // Nobody watches: fine.
        let _ = self.0.news.send(id);
    }

    pub(super) fn news(&self) -> broadcast::Receiver<JobId> {
        self.0.news.subscribe()
    }

    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }
}
