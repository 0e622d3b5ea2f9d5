//! What the floors above take from outside instead of from the air, so that they run under a simulated world.
//! Waiting is `tokio::time`, which a test can pause.

use jiff::Timestamp;
use uuid::Uuid;

/// Wall-clock time. It may jump; nothing is ordered by it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Names for new things.
pub trait Names: Send + Sync + std::fmt::Debug {
    /// A new UUIDv7.
    fn fresh(&self) -> Uuid;
}
