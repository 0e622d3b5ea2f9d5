//! Deletes under way: each runs in a task of its own, and a repeat of the same request joins it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use tokio::sync::{Notify, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::delete::DeleteAnswer;
use crate::domain::ids::OperationId;
use crate::domain::record::RecordRef;

const IDEMPOTENCY_KEY: header::HeaderName = header::HeaderName::from_static("idempotency-key");

/// Names one request: connection, caller, verb, target and body.
pub(crate) type Key = [u8; 32];

/// What a delete is called from its first moment, before anything is known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The operation it becomes with its intent, if it gets that far.
    pub operation: OperationId,
    /// Until when that can be undone.
    pub until: jiff::Timestamp,
}

/// One delete under way.
#[derive(Clone, Debug)]
struct Running {
    answer: watch::Receiver<Option<DeleteAnswer>>,
    ticket: Ticket,
}

/// Deletes under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    running: Arc<Mutex<HashMap<Key, Running>>>,
    claimed: Arc<Claimed>,
    tasks: TaskTracker,
}

/// Records that a delete under way concerns.
#[derive(Debug, Default)]
struct Claimed {
    records: Mutex<HashSet<(String, RecordRef)>>,
    freed: Notify,
}

/// These records are nobody else's until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    claimed: Arc<Claimed>,
    records: Vec<(String, RecordRef)>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut taken = self.claimed.records.lock().unwrap_or_else(PoisonError::into_inner);
        for record in &self.records {
            taken.remove(record);
        }
        drop(taken);
        self.claimed.freed.notify_waiters();
    }
}

impl Joined {
    /// The name of a request. Two callers with different credentials never share an answer.
    pub(crate) fn key(connection: &str, request: &Request<Bytes>) -> Key {
        let mut hasher = blake3::Hasher::new();
        for part in [connection.as_bytes(), request.method().as_str().as_bytes(), request.uri().to_string().as_bytes()]
        {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        for name in [header::AUTHORIZATION, header::COOKIE, IDEMPOTENCY_KEY] {
            for value in request.headers().get_all(&name) {
                hasher.update(&(value.len() as u64).to_le_bytes()).update(value.as_bytes());
            }
        }
        *hasher.update(b"body").update(request.body()).finalize().as_bytes()
    }

    /// Starts `work` under this name and ticket, or joins it if it runs already, and then with the ticket it has.
    /// `None`: the task panicked.
    pub(crate) fn join<W, F>(
        &self,
        key: Key,
        ticket: Ticket,
        work: W,
    ) -> (Ticket, impl Future<Output = Option<DeleteAnswer>> + use<W, F>)
    where
        W: FnOnce() -> F,
        F: Future<Output = DeleteAnswer> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cut = None;
        let Running { mut answer, ticket } = match running.get(&key) {
            Some(one) if one.answer.has_changed().is_ok() => one.clone(),
            _ => {
                let (tell, answer) = watch::channel(None);
                let one = Running { answer, ticket };
                running.insert(key, one.clone());
                let (future, table) = (work(), self.running.clone());
                let task = self.tasks.spawn(async move {
                    // Removed also when the future panics: a name must never stay taken.
                    let _name = Name { key, table };
                    let _ = tell.send(Some(future.await));
                });
                cut = crate::proofs::bite("cancel_with_client").then(|| AbortOnDropHandle::new(task));
                one
            }
        };
        drop(running);
        (ticket, async move {
            let _cut = cut;
            answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
        })
    }

    /// Waits until no other delete concerns any of these records, then claims them all at once (so two requests that
    /// name the same records in another order cannot wait for each other).
    pub(crate) async fn claim(&self, connection: &str, records: &[RecordRef]) -> Claim {
        let records: Vec<_> = records.iter().map(|record| (connection.to_owned(), record.clone())).collect();
        loop {
            let freed = self.claimed.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            {
                let mut taken = self.claimed.records.lock().unwrap_or_else(PoisonError::into_inner);
                if !records.iter().any(|record| taken.contains(record)) {
                    taken.extend(records.iter().cloned());
                    return Claim { claimed: self.claimed.clone(), records };
                }
            }
            freed.await;
        }
    }

    /// Waits until every started delete has ended, at most this long. Whether all have.
    pub(crate) async fn drain(&self, limit: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}

struct Name {
    key: Key,
    table: Arc<Mutex<HashMap<Key, Running>>>,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::ids::OperationId;

    fn ticket(number: u128) -> Ticket {
        Ticket { operation: OperationId(uuid::Uuid::from_u128(number)), until: jiff::Timestamp::UNIX_EPOCH }
    }

    fn unknown() -> DeleteAnswer {
        DeleteAnswer::Unknown { operation: OperationId(uuid::Uuid::nil()), until: jiff::Timestamp::UNIX_EPOCH }
    }

    #[tokio::test]
    async fn a_repeat_joins_and_a_caller_that_leaves_does_not_cut_it() {
        let joined = Joined::default();
        let runs = Arc::new(AtomicUsize::new(0));
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let counted = runs.clone();
        let (own, first) = joined.join([1; 32], ticket(1), move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = gate.await;
            unknown()
        });
        let counted = runs.clone();
        let (joins, second) = joined.join([1; 32], ticket(2), move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            unknown()
        });
        drop(first);
        open.send(()).expect("the task waits");
        assert_eq!((own, joins), (ticket(1), ticket(1)), "who joins is told the name of what he joined");
        assert!(second.await.is_some());
        assert!(joined.drain(Duration::from_secs(5)).await);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn two_deletes_of_one_record_follow_each_other() {
        let joined = Joined::default();
        let (a, b) = (RecordRef::new("contacts", 1), RecordRef::new("contacts", 2));
        let first = joined.claim("acme", &[a.clone(), b.clone()]).await;
        let turned = [b.clone(), a.clone()];
        let mut second = Box::pin(joined.claim("acme", &turned));
        assert!(futures::poll!(&mut second).is_pending());
        drop(joined.claim("other", &[a]).await);
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), second).await.expect("free now");
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_frees_the_name() {
        let joined = Joined::default();
        let (_, answer) = joined.join([2; 32], ticket(3), || async { panic!("on purpose") });
        assert!(answer.await.is_none());
        assert!(joined.join([2; 32], ticket(4), || async { unknown() }).1.await.is_some());
    }
}
