//! The CRM has blocked the account: leave it alone. amoCRM answers persistent overruns with a web page and 403 for
//! everybody, and whoever goes on asking stays blocked (`amocrm.md` §1.5).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::flow::is_html;

/// How long background work leaves a blocked account alone.
const REST: Duration = Duration::from_mins(15);

/// Closed as long as the CRM talks to us.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// So that the many answers that change nothing need no lock.
    open: AtomicBool,
    open_until: Mutex<Option<Instant>>,
}

/// Whether this answer says that the account is blocked.
pub(super) fn says_blocked(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::FORBIDDEN && is_html(headers)
}

impl Circuit {
    /// Looks at an answer of any lane: a block opens the circuit, a success closes it.
    pub(super) fn observe(&self, status: StatusCode, headers: &HeaderMap) {
        if says_blocked(status, headers) {
            if !self.open.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    "the CRM answered 403 with a web page: the account is blocked for too many requests; \
                     background work rests for 15 minutes"
                );
            }
            *self.lock() = Some(Instant::now() + REST);
        } else if status.is_success() && self.open.load(Ordering::Relaxed) {
            self.open.store(false, Ordering::Relaxed);
            *self.lock() = None;
        }
    }

    /// How long the circuit stays open.
    pub(super) fn blocked_for(&self) -> Option<Duration> {
        if !self.open.load(Ordering::Relaxed) {
            return None;
        }
        let until = (*self.lock())?;
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        if left.is_none() {
            self.open.store(false, Ordering::Relaxed);
        }
        left
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.open_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
