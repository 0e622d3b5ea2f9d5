//! How many requests a second one client may send. The CRM's own limit is kept by the upstream's budget; this one keeps
//! a runaway script from filling the queue that others wait in.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{HeaderMap, header};

use super::refusal::because;
use crate::domain::delete::Refusal;

/// After so many requests, clients that have been quiet for a second are dropped from the table. So it holds at most
/// this many more than the clients of the last second, however many tokens a client invents.
const SWEEP_EVERY: u32 = 4096;

/// Who has asked lately. Shared by all threads of the gateway.
#[derive(Debug)]
pub(super) struct Callers {
    cap: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<u64>,
    clock: DefaultClock,
    asked: AtomicU32,
}

impl Callers {
    /// With this many requests a second for each client; `None`: 0 is no cap.
    pub(super) fn new(cap: u32) -> Option<Self> {
        let cap = NonZeroU32::new(cap)?;
        let limiter = RateLimiter::keyed(Quota::per_second(cap));
        Some(Self { cap, limiter, clock: DefaultClock::default(), asked: AtomicU32::new(0) })
    }

    /// Whether this client may ask now.
    pub(super) fn admit(&self, headers: &HeaderMap, address: IpAddr) -> Result<(), Refusal> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let Err(early) = self.limiter.check_key(&client(headers, address)) else { return Ok(()) };
        let wait = early.wait_time_from(self.clock.now());
        let detail = format!("this client sends more than {} requests a second", self.cap);
        let mut refusal = because(429, "client_over_its_cap", &detail, "nothing was changed; send fewer at once");
        refusal.retry_after = Some(wait.as_secs() + 1);
        Err(refusal)
    }

    #[cfg(test)]
    fn known(&self) -> usize {
        self.limiter.len()
    }
}

/// One client is one token, wherever it asks from; without a token, one address. Only a fingerprint is kept.
fn client(headers: &HeaderMap, address: IpAddr) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("crm-undo 2026 client of the gateway");
    match headers.get(header::AUTHORIZATION).or_else(|| headers.get(header::COOKIE)) {
        Some(secret) => hasher.update(b"token").update(secret.as_bytes()),
        None => hasher.update(b"address").update(address.to_canonical().to_string().as_bytes()),
    };
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a value"))])
    }

    #[test]
    fn a_client_is_its_token_or_its_address() {
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let one = with(header::AUTHORIZATION, "Bearer one");
        assert_eq!(client(&one, here), client(&one, there));
        assert_ne!(client(&one, here), client(&with(header::AUTHORIZATION, "Bearer two"), here));
        assert_ne!(client(&one, here), client(&with(header::COOKIE, "session=1"), here));
        assert_ne!(client(&HeaderMap::new(), here), client(&HeaderMap::new(), there));
    }

    #[test]
    fn over_the_cap_a_client_waits_and_others_do_not() {
        let callers = Callers::new(3).expect("a cap");
        let (greedy, modest) = (with(header::AUTHORIZATION, "a"), with(header::AUTHORIZATION, "b"));
        let address = [127, 0, 0, 1].into();
        let passed = (0..50).filter(|_| callers.admit(&greedy, address).is_ok()).count();
        assert!((3..=5).contains(&passed), "{passed}");
        let refusal = callers.admit(&greedy, address).expect_err("over its cap");
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(1)));
        assert!(callers.admit(&modest, address).is_ok());
        assert!(Callers::new(0).is_none(), "0 is no cap");
    }

    #[test]
    fn invented_tokens_do_not_fill_the_table() {
        // At a million a second each entry is stale at once.
        let callers = Callers::new(1_000_000).expect("a cap");
        for number in 0..3 * SWEEP_EVERY {
            let headers = with(header::AUTHORIZATION, &number.to_string());
            assert!(callers.admit(&headers, [127, 0, 0, 1].into()).is_ok());
        }
        assert!(callers.known() <= SWEEP_EVERY as usize + 1, "{}", callers.known());
    }
}
