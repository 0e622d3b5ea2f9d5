//! amoCRM's request limits (§5): a strict sliding window per integration and per account, and the block of the whole
//! account for those who do not listen.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
const OVERRUNS_COUNT_FOR: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// HTML 429.
    TooMany,
    /// HTML 403 for every request of every integration, until `/_mock/limits` or `/_mock/reset`.
    Blocked,
}

#[derive(Debug)]
pub struct Limits {
    pub per_integration: u32,
    pub per_account: u32,
    by_integration: HashMap<String, VecDeque<Instant>>,
    account: VecDeque<Instant>,
    overruns: VecDeque<Instant>,
    blocked: bool,
}

impl Limits {
    pub fn new(per_integration: u32, per_account: u32) -> Self {
        Self {
            per_integration,
            per_account,
            by_integration: HashMap::new(),
            account: VecDeque::new(),
            overruns: VecDeque::new(),
            blocked: false,
        }
    }

    pub fn blocked(&self) -> bool {
        self.blocked
    }

    /// Judges a request that arrives now. Refused ones do not fill the window, but each is an overrun;
    /// `block_after` of them within a minute block the account (0: never).
    pub fn judge(&mut self, now: Instant, integration: Option<&str>, block_after: u64) -> Verdict {
        if self.blocked {
            return Verdict::Blocked;
        }
        forget_before(&mut self.account, now, WINDOW);
        let mut over = full(&self.account, self.per_account);
        if let Some(name) = integration {
            let window = self.by_integration.entry(name.to_owned()).or_default();
            forget_before(window, now, WINDOW);
            over |= full(window, self.per_integration);
            if !over {
                window.push_back(now);
            }
        }
        if !over {
            self.account.push_back(now);
            return Verdict::Allowed;
        }
        forget_before(&mut self.overruns, now, OVERRUNS_COUNT_FOR);
        self.overruns.push_back(now);
        self.blocked = block_after > 0 && self.overruns.len() as u64 >= block_after;
        Verdict::TooMany
    }
}

fn forget_before(window: &mut VecDeque<Instant>, now: Instant, length: Duration) {
    while window.front().is_some_and(|first| now.duration_since(*first) >= length) {
        window.pop_front();
    }
}

fn full(window: &VecDeque<Instant>, limit: u32) -> bool {
    limit > 0 && window.len() >= limit as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_second_holds_at_most_the_limit() {
        let mut limits = Limits::new(7, 50);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for millis in [0, 900, 910, 920, 930, 940, 950] {
            assert_eq!(limits.judge(at(millis), Some("a"), 0), Verdict::Allowed);
        }
        assert_eq!(limits.judge(at(999), Some("a"), 0), Verdict::TooMany);
        assert_eq!(limits.judge(at(999), Some("b"), 0), Verdict::Allowed);
        assert_eq!(limits.judge(at(1000), Some("a"), 0), Verdict::Allowed);
        assert_eq!(limits.judge(at(1001), Some("a"), 0), Verdict::TooMany);
    }

    #[test]
    fn the_account_has_a_window_of_its_own_and_a_last_straw() {
        let mut limits = Limits::new(0, 2);
        let now = Instant::now();
        assert_eq!(limits.judge(now, Some("a"), 2), Verdict::Allowed);
        assert_eq!(limits.judge(now, Some("b"), 2), Verdict::Allowed);
        assert_eq!(limits.judge(now, Some("c"), 2), Verdict::TooMany);
        assert_eq!(limits.judge(now, None, 2), Verdict::TooMany);
        assert_eq!(limits.judge(now + Duration::from_secs(9), Some("a"), 2), Verdict::Blocked);
    }
}
