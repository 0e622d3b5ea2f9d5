//! The account's clock: the wall clock plus what `/_mock/clock` advanced it by. Token expiry, retention and webhook
//! retries follow it; the ledger's times do not, because they are compared with other programs' clocks.

use jiff::Timestamp;

#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    advanced_seconds: i64,
}

impl Clock {
    pub fn advance(&mut self, seconds: i64) {
        self.advanced_seconds = self.advanced_seconds.saturating_add(seconds);
    }

    pub fn advanced_seconds(self) -> i64 {
        self.advanced_seconds
    }

    /// Unix seconds, as amoCRM writes every time.
    pub fn now(self) -> i64 {
        self.now_millis().div_euclid(1000)
    }

    pub fn now_millis(self) -> i64 {
        Timestamp::now().as_millisecond().saturating_add(self.advanced_seconds.saturating_mul(1000))
    }
}

/// Wall-clock time as the control calls write it: RFC 3339, UTC, microseconds.
pub fn wall_text(at: Timestamp) -> String {
    format!("{at:.6}")
}
