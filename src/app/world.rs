//! The real clock and real names.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::world::{Clock, Names};

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// UUIDv7 from the machine's clock and random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomNames;

impl Names for RandomNames {
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }
}
