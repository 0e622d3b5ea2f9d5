//! The clock and the names of all lives. Between two lives time goes on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::dice::Dice;
use crate::domain::world::{Clock, Names};

/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600;

#[derive(Debug, Default)]
struct Inside {
    before: Duration,
    /// The start of the life there is.
    life: Option<Instant>,
    jumped: SignedDuration,
}

#[derive(Debug, Default)]
pub(super) struct Time(Mutex<Inside>);

impl Time {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the beginning; it never jumps.
    pub(super) fn since_begin(&self) -> Duration {
        let inside = self.inside();
        inside.before + inside.life.map_or(Duration::ZERO, |life| life.elapsed())
    }

    pub(super) fn life_begins(&self) {
        self.inside().life = Some(Instant::now());
    }

    /// The process is gone for this long.
    pub(super) fn life_ends(&self, away: Duration) {
        let now = self.since_begin();
        let mut inside = self.inside();
        inside.before = now + away;
        inside.life = None;
    }

    /// The wall clock is set.
    pub(super) fn jump(&self, by: SignedDuration) {
        let mut inside = self.inside();
        inside.jumped += by;
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.since_begin()).expect("a run is short");
        Timestamp::from_second(BEGIN).expect("a date") + since + self.inside().jumped
    }
}

/// Names that grow and come from the seed.
#[derive(Debug)]
pub(super) struct Numbered(Mutex<u64>, Dice);

impl Numbered {
    pub(super) fn new(dice: Dice) -> Self {
        Self(Mutex::new(0), dice)
    }
}

impl Names for Numbered {
    fn fresh(&self) -> Uuid {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        Uuid::from_u128(u128::from(*last) << 64 | u128::from(self.1.number()))
    }
}
