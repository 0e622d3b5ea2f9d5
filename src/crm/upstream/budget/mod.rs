//! Whose turn it is: never more than the account's requests in any second, in the order they came, those that a
//! caller waits for before background work.
//!
//! The CRM counts a request when it arrives, and we see only when it left and when its answer came. A request that was
//! sent at `s` and answered at `a` arrived between the two. So its place in the window is free again
//!
//! - at `a + 1 s + 2 ms` for certain, and
//! - at `s + 1 s + 50 ms` if no request takes more than 50 ms longer to arrive than another,
//!
//! whichever is earlier: the first lets fast answers use nearly all of the budget, the second keeps slow ones from
//! holding it. Each 429 adds 30 ms to both, which decay slowly: somebody else shares the account, or the way is
//! bumpier than that. `s` is when an open connection had the request, not when we began to connect.
//!
//! Own code and not `governor`, because that is neither first come, first served, nor a window (`docs/performance.md`).

mod window;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::crm::Lane;
use window::{Place, Window};

/// The limits of one account.
#[derive(Clone, Copy, Debug)]
pub struct Budgeting {
    /// Requests in any second; 0: no limit.
    pub per_second: u32,
    /// Of those, how many background work never takes.
    pub live_reserve: u32,
    /// How many may wait at once.
    pub max_waiting: usize,
    /// How long a live request may wait. Background work waits as long as it takes.
    pub max_wait: Duration,
}

/// The budget of one account, shared by everything that calls it.
#[derive(Debug)]
pub struct Budget {
    limits: Budgeting,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window,
    live: VecDeque<Arc<Notify>>,
    background: VecDeque<Arc<Notify>>,
}

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When there will be room, about; whole seconds.
    pub retry_after: Duration,
}

/// How much of the budget is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Requests in any second; 0: no limit.
    pub per_second: u32,
    /// Of those, how many background work leaves free.
    pub live_reserve: u32,
    /// Places of the window that are taken now.
    pub in_use: usize,
    /// Live requests that wait.
    pub waiting_live: usize,
    /// Background requests that wait.
    pub waiting_background: usize,
}

/// Leave to send one request. Say what became of it: [`sent`](Self::sent), then [`answered`](Self::answered); or
/// [`not_sent`](Self::not_sent). Dropped in between, it counts as sent at that moment.
#[derive(Debug)]
pub struct Turn {
    of: Option<(Arc<Budget>, Place)>,
    sent: std::sync::atomic::AtomicBool,
}

impl Busy {
    fn after(wait: Duration) -> Self {
        Self { retry_after: Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)) }
    }
}

enum Try {
    Granted(Place),
    /// The next place is free then; `None`: when something changes.
    Later(Option<Instant>),
}

impl Budget {
    /// With nothing in use.
    pub fn new(limits: Budgeting) -> Self {
        let window = Window::new(limits.per_second as usize, limits.live_reserve as usize);
        let state = State { window, live: VecDeque::new(), background: VecDeque::new() };
        Self { limits, state: Mutex::new(state) }
    }

    /// Waits until a request may be sent.
    pub async fn turn(self: &Arc<Self>, lane: Lane) -> Result<Turn, Busy> {
        if self.limits.per_second == 0 {
            return Ok(Turn { of: None, sent: false.into() });
        }
        let ticket = {
            let mut state = self.lock();
            if state.is_next(lane, None)
                && let Try::Granted(place) = state.try_take(lane)
            {
                return Ok(self.granted(place));
            }
            let ahead = state.queue(lane).len();
            let wait = self.expected_wait(ahead + 1);
            if state.waiting() >= self.limits.max_waiting || (lane == Lane::Live && wait > self.limits.max_wait) {
                return Err(Busy::after(wait));
            }
            let ticket = Ticket { budget: self, lane, wake: Arc::new(Notify::new()) };
            state.queue(lane).push_back(Arc::clone(&ticket.wake));
            ticket
        };
        let queued = async {
            loop {
                match ticket.try_take() {
                    Try::Granted(place) => return place,
                    Try::Later(Some(at)) => {
                        tokio::select! {
                        biased;
                                    () = tokio::time::sleep_until(at) => {}
                                    () = ticket.wake.notified() => {}
                                }
                    }
                    Try::Later(None) => ticket.wake.notified().await,
                }
            }
        };
        let place = match lane {
            Lane::Background => queued.await,
            Lane::Live => match tokio::time::timeout(self.limits.max_wait, queued).await {
                Ok(place) => place,
                Err(_) => return Err(Busy::after(self.expected_wait(self.lock().queue(lane).len()))),
            },
        };
        Ok(self.granted(place))
    }

    /// Whether one may hold a turn and wait for another: with a single place a second that would be for ever.
    pub fn has_room_for_two(&self) -> bool {
        self.limits.per_second > 1
    }

    /// How much of the budget is in use now.
    pub fn usage(&self) -> Usage {
        let mut state = self.lock();
        let in_use = state.window.in_use(Instant::now());
        Usage {
            per_second: self.limits.per_second,
            live_reserve: self.limits.live_reserve,
            in_use,
            waiting_live: state.live.len(),
            waiting_background: state.background.len(),
        }
    }

    /// How long the one at this position (from 1) of the queue waits while every request takes its whole guard.
    fn expected_wait(&self, position: usize) -> Duration {
        let windows = position.div_ceil((self.limits.per_second as usize).max(1));
        window::TURNOVER.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX))
    }

    fn granted(self: &Arc<Self>, place: Place) -> Turn {
        Turn { of: Some((Arc::clone(self), place)), sent: false.into() }
    }

    /// Changes the window, and lets those at the head of the queues look again.
    fn change(&self, change: impl FnOnce(&mut Window, Instant)) {
        let mut state = self.lock();
        change(&mut state.window, Instant::now());
        state.wake_heads();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change, so a poisoned lock still guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, lane: Lane) -> &mut VecDeque<Arc<Notify>> {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Background => &mut self.background,
        }
    }

    fn waiting(&self) -> usize {
        self.live.len() + self.background.len()
    }

    /// Whether nobody is before this one: `None` for somebody who has just come.
    fn is_next(&mut self, lane: Lane, ticket: Option<&Arc<Notify>>) -> bool {
        if lane == Lane::Background && !self.live.is_empty() {
            return false;
        }
        match (self.queue(lane).front(), ticket) {
            (None, _) => true,
            (Some(head), Some(ticket)) => Arc::ptr_eq(head, ticket),
            (Some(_), None) => false,
        }
    }

    fn try_take(&mut self, lane: Lane) -> Try {
        match self.window.take(lane, Instant::now()) {
            Ok(place) => Try::Granted(place),
            Err(at) => Try::Later(at),
        }
    }

    fn wake_heads(&self) {
        for head in [self.live.front(), self.background.front()].into_iter().flatten() {
            head.notify_one();
        }
    }
}

/// A place in the queue; leaving it, granted or not, lets the next one look.
struct Ticket<'a> {
    budget: &'a Budget,
    lane: Lane,
    wake: Arc<Notify>,
}

impl Ticket<'_> {
    fn try_take(&self) -> Try {
        let mut state = self.budget.lock();
        if state.is_next(self.lane, Some(&self.wake)) { state.try_take(self.lane) } else { Try::Later(None) }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.queue(self.lane).retain(|other| !Arc::ptr_eq(other, &self.wake));
        state.wake_heads();
    }
}

impl Turn {
    /// The request can leave now, on an open connection.
    pub fn sent(&self) {
        self.sent.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some((budget, place)) = &self.of {
            budget.change(|window, now| window.sent(*place, now));
        }
    }

    /// Whether the account has a limit at all.
    pub fn is_counted(&self) -> bool {
        self.of.is_some()
    }

    /// Whether the request may have left.
    pub fn was_sent(&self) -> bool {
        self.sent.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The head of the answer is here. `retry_after`: what a 429 says.
    pub fn answered(mut self, status: StatusCode, retry_after: Option<Duration>) {
        if let Some((budget, place)) = self.of.take() {
            budget.change(|window, now| {
                window.answered(place, now);
                if status == StatusCode::TOO_MANY_REQUESTS {
                    window.throttled(now, retry_after);
                }
            });
        }
    }

    /// Not a byte left: the place is free again.
    pub fn not_sent(mut self) {
        if let Some((budget, place)) = self.of.take() {
            budget.change(|window, _| window.give_back(place));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((budget, place)) = self.of.take() {
            let sent = self.was_sent();
            budget.change(|window, now| {
                if !sent {
                    window.sent(place, now);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
