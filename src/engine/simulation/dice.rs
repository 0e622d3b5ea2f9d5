//! Every choice comes from the seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Cheap to clone; all clones are one sequence.
#[derive(Clone, Debug)]
pub(super) struct Dice(Arc<Mutex<SmallRng>>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }

    /// A sequence of its own, which goes on the same whatever becomes of this one.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.number())
    }

    fn with<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn number(&self) -> u64 {
        self.with(SmallRng::random)
    }

    /// From 0, up to but without `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        self.with(|rng| rng.random_range(0..end.max(1)))
    }

    pub(super) fn chance(&self, share: f64) -> bool {
        self.with(|rng| rng.random_bool(share))
    }

    pub(super) fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.with(|rng| rng.random_range(from..=to)))
    }

    pub(super) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
