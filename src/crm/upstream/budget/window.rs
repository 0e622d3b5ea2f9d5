//! The last second, as the CRM may see it.

use std::time::Duration;

use tokio::time::Instant;

use crate::crm::Lane;
use crate::proofs::bite;

const SECOND: Duration = Duration::from_secs(1);
/// Added to the moment of an answer: timers and clocks count in milliseconds.
const AFTER_ANSWER: Duration = Duration::from_millis(2);
/// How much longer one request may take to arrive than another.
const GUARD: Duration = Duration::from_millis(50);
/// How long a place is taken when the answer is slow and no 429 has come.
pub(super) const TURNOVER: Duration = SECOND.saturating_add(GUARD);
/// What each 429 adds.
const CAUTION: Duration = Duration::from_millis(30);
/// What is added at most.
const MOST_CAUTION: Duration = Duration::from_millis(600);
/// How long it takes without a 429 to become less cautious by one step.
const CALM: Duration = Duration::from_secs(20);
/// The longest that a `Retry-After` holds background work.
const LONGEST_HOLD: Duration = Duration::from_mins(1);

/// One request in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

#[derive(Debug)]
struct Taken {
    place: Place,
    lane: Lane,
    /// `None` as long as the request has not left.
    free_at: Option<Instant>,
}

/// Never holds more than `limit` places.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    background_limit: usize,
    taken: Vec<Taken>,
    next: u64,
    caution: Duration,
    calm_since: Option<Instant>,
    /// Nobody, and background work, before this.
    hold: Option<Instant>,
    hold_background: Option<Instant>,
}

impl Window {
    pub(super) fn new(limit: usize, reserve: usize) -> Self {
        Self {
            limit,
            background_limit: limit.saturating_sub(reserve).max(1),
            taken: Vec::with_capacity(limit.min(1024)),
            next: 0,
            caution: Duration::ZERO,
            calm_since: None,
            hold: None,
            hold_background: None,
        }
    }

    /// Takes a place, or says when to look again; `None`: when something has changed.
    pub(super) fn take(&mut self, lane: Lane, now: Instant) -> Result<Place, Option<Instant>> {
        self.clear(now);
        let held = match lane {
            Lane::Live => self.hold,
            Lane::Background => self.hold.max(self.hold_background),
        };
        if let Some(until) = held.filter(|until| *until > now) {
            return Err(Some(until));
        }
        let full = self.taken.len() >= self.limit * (1 + usize::from(bite("burst_7")));
        let of_background = || self.taken.iter().filter(|taken| taken.lane == Lane::Background);
        if full {
            return Err(self.taken.iter().filter_map(|taken| taken.free_at).min());
        }
        if lane == Lane::Background && of_background().count() >= self.background_limit {
            return Err(of_background().filter_map(|taken| taken.free_at).min());
        }
        let place = Place(self.next);
        self.next += 1;
        self.taken.push(Taken { place, lane, free_at: None });
        Ok(place)
    }

    pub(super) fn sent(&mut self, place: Place, now: Instant) {
        let free_at = now + SECOND + GUARD + self.caution;
        if let Some(taken) = self.find(place) {
            taken.free_at = Some(free_at);
        }
    }

    pub(super) fn answered(&mut self, place: Place, now: Instant) {
        let certain = now + SECOND + AFTER_ANSWER + self.caution;
        if let Some(taken) = self.find(place) {
            taken.free_at = Some(taken.free_at.map_or(certain, |likely| likely.min(certain)));
        }
    }

    pub(super) fn give_back(&mut self, place: Place) {
        self.taken.retain(|taken| taken.place != place);
    }

    /// The CRM said 429: rest for a second, and as long as it says with background work; then be more careful.
    pub(super) fn throttled(&mut self, now: Instant, retry_after: Option<Duration>) {
        self.caution = (self.caution + CAUTION).min(MOST_CAUTION);
        self.calm_since = Some(now);
        self.hold = Some(now + SECOND);
        self.hold_background = retry_after.map(|rest| now + rest.min(LONGEST_HOLD));
    }

    pub(super) fn in_use(&mut self, now: Instant) -> usize {
        self.clear(now);
        self.taken.len()
    }

    fn find(&mut self, place: Place) -> Option<&mut Taken> {
        self.taken.iter_mut().find(|taken| taken.place == place)
    }

    fn clear(&mut self, now: Instant) {
        self.taken.retain(|taken| taken.free_at.is_none_or(|at| at > now));
        while let Some(since) = self.calm_since
            && self.caution > Duration::ZERO
            && now.duration_since(since) >= CALM
        {
            self.caution = self.caution.saturating_sub(CAUTION);
            self.calm_since = Some(since + CALM);
        }
    }
}
