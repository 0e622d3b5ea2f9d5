//! How patient the gateway is, and with how many.

use std::time::Duration;

/// Limits of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the head of a request to arrive, also for the first byte of a new connection.
    pub head: Duration,
    /// For a kept connection to ask again.
    pub keep_alive: Duration,
    /// For the next byte of a request's body.
    pub body_idle: Duration,
    /// A body that took longer than `body_idle` in all has to have brought this many bytes a second.
    pub body_rate: u64,
    /// For the client to take the next byte of an answer.
    pub write_idle: Duration,
    /// For the CRM to send the next byte of an answer that it has begun.
    pub answer_idle: Duration,
    /// For a delete to be answered. Clients give up after 20 s; before that they are told that it goes on.
    pub delete_answer: Duration,
    /// Open connections.
    pub connections: usize,
    /// Open connections from one address. Behind another proxy every client has that proxy's address: raise it there.
    pub connections_per_address: usize,
    /// For answers under way when the process stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            keep_alive: Duration::from_mins(1),
            body_idle: Duration::from_secs(30),
            body_rate: 1024,
            write_idle: Duration::from_secs(30),
            answer_idle: Duration::from_mins(1),
            delete_answer: Duration::from_secs(15),
            connections: 1024,
            connections_per_address: 64,
            drain: Duration::from_secs(25),
        }
    }
}

impl Limits {
    /// How often the clocks are looked at: a fraction of the shortest patience.
    pub(super) fn tick(&self) -> Duration {
        let shortest = self.head.min(self.keep_alive).min(self.body_idle).min(self.write_idle).min(self.answer_idle);
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }
}
