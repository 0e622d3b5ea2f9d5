//! Operations whose outcome is not known: which are on their way, which are to be looked at, and when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::crm::Access;
use crate::domain::ids::OperationId;

/// Operations whose outcome is not known, and when to look again.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    waiting: Arc<Mutex<HashMap<OperationId, Waiting>>>,
    on_their_way: Arc<Mutex<HashSet<OperationId>>>,
    pub(super) changed: Arc<Notify>,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    tries: u32,
    access: Option<Access>,
    since: Instant,
}

/// A delete on its way, until this is dropped: only its sender judges what became of it. However that ends (a panic,
/// an archive that does not take the outcome), the operation is looked at afterwards.
#[derive(Debug)]
pub(super) struct OnItsWay {
    unsettled: Unsettled,
    pub(super) id: OperationId,
    access: Access,
    /// Whether its outcome is recorded and will not change by itself.
    pub(super) is_settled: bool,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if !self.is_settled {
            self.unsettled.put(self.id, Some(self.access.clone()));
        }
        self.unsettled.on_their_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.unsettled.changed.notify_one();
    }
}

impl Unsettled {
    /// Before the intent is durable.
    pub(super) fn sets_out(&self, id: OperationId, access: Access) -> OnItsWay {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        OnItsWay { unsettled: self.clone(), id, access, is_settled: false }
    }

    pub(super) fn is_on_its_way(&self, id: OperationId) -> bool {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    pub(super) fn add(&self, id: OperationId, access: Option<Access>) {
        self.put(id, access);
        self.changed.notify_one();
    }

    fn put(&self, id: OperationId, access: Option<Access>) {
        let now = Instant::now();
        let mut table = self.table();
        let waiting = table.entry(id).or_insert(Waiting { due: now, tries: 0, access: None, since: now });
        // The newest: an older token may be one that is not valid any more.
        waiting.access = access.or(waiting.access.take());
    }

    fn table(&self) -> MutexGuard<'_, HashMap<OperationId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn access(&self, id: OperationId) -> Option<Access> {
        self.table().get(&id).and_then(|waiting| waiting.access.clone())
    }

    /// For how long this process has known of it.
    pub(super) fn known_for(&self, id: OperationId) -> Option<Duration> {
        self.table().get(&id).map(|waiting| waiting.since.elapsed())
    }

    pub(super) fn due(&self) -> Vec<OperationId> {
        let now = Instant::now();
        let mut due: Vec<OperationId> =
            self.table().iter().filter(|(_, waiting)| waiting.due <= now).map(|(id, _)| *id).collect();
        // Oldest first, the same way every time.
        due.sort_unstable();
        due
    }

    pub(super) fn later(&self, id: OperationId) {
        if let Some(waiting) = self.table().get_mut(&id) {
            waiting.due = Instant::now() + Duration::from_secs(1 << waiting.tries.min(5)).min(Duration::from_secs(30));
            waiting.tries += 1;
        }
    }

    pub(super) fn done(&self, id: OperationId) {
        self.table().remove(&id);
    }
}
