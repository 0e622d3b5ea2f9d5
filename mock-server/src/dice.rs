//! Chances and choices. The generator of numbers is one whose row is the same on every machine.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

#[derive(Debug)]
pub struct Dice {
    random: Xoshiro256PlusPlus,
}

impl Dice {
    pub fn from_seed(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// From 0 to below `count`; 0 when there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        // Drawn as u64: the row must not depend on the machine's word.
        let drawn = self.random.random_range(0..(count as u64).max(1));
        usize::try_from(drawn).unwrap_or(0)
    }

    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        self.random.random_range(from..to.max(from + 1))
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100_u32) < percent
    }

    /// True in this share of cases: 0 is never, 1 is always.
    pub fn happens(&mut self, share: f64) -> bool {
        self.random.random_bool(share.clamp(0.0, 1.0))
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// `count` decimal digits.
    pub fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0))).collect()
    }
}
