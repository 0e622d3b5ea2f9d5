//! The whole engine in a simulated world, everything drawn from one seed on one thread: a clock that only moves when
//! nothing else does (and jumps), a disk that tears and loses what was not synced, a CRM and a network that delay, cut,
//! refuse, throttle, block and hang, callers, people on the CRM's own screens, and power cuts at any moment, up to three
//! deep. What happened is judged by the CRM's own ledger.
//!
//! | file | idea |
//! | --- | --- |
//! | `dice` | every choice comes from the seed |
//! | `time` | the clock and the names of all lives |
//! | `crm` | the CRM: records, what is done to them, and a ledger of effects |
//! | `wire` | the way to it, and what strikes on it |
//! | `vendor` | how the engine speaks to it |
//! | `world` | what outlives a process: disk, CRM, clock, trace |
//! | `life` | one process, from its start to its end |
//! | `callers` | what scripts and people do |
//! | `run` | a seed from its first life to its last |
//! | `judge` | what the ledger says about what the engine says |

mod callers;
mod crm;
mod dice;
mod judge;
mod life;
mod run;
mod time;
mod vendor;
mod wire;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::Seen;

/// On every change, and in the long run.
const SEEDS: (u64, u64) = (5_000, 100_000);

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn replay(seed: u64) -> String {
    format!("replay: CRM_UNDO_SEED={seed} cargo test -p crm-undo --lib simulation::nothing_is_lost -- --nocapture")
}

fn one(seed: u64, db: &sled::Db) -> Seen {
    let run = std::panic::AssertUnwindSafe(|| run::run(seed, db));
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|_| Err("it panicked".to_owned()));
    ended.unwrap_or_else(|broken| panic!("seed {seed}: {broken}\n{}", replay(seed)))
}

/// A sled that is never used, and never dropped: its closing was seen to wait for ever.
fn db() -> &'static sled::Db {
    static DB: std::sync::OnceLock<sled::Db> = std::sync::OnceLock::new();
    DB.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        sled::Config::new().path(dir.path()).flush_every_ms(None).open().expect("an empty sled")
    })
}

/// One seed that fails ends them all.
struct StopAll<'a>(&'a AtomicU64, u64);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }
}

/// P1, P3, P4, and that no entry says otherwise than the CRM.
#[test]
fn nothing_is_lost_and_nothing_is_made_twice() {
    if let Some(seed) = setting("CRM_UNDO_SEED") {
        if std::env::var_os("CRM_UNDO_TRACE").is_some() {
            tracing_subscriber::fmt().without_time().with_max_level(tracing::Level::DEBUG).init();
        }
        let seen = one(seed, db());
        println!("{seen:?}");
        return;
    }
    let long = setting("CRM_UNDO_LONG").is_some_and(|long| long > 0);
    let count = setting("CRM_UNDO_SEEDS").unwrap_or(if long { SEEDS.1 } else { SEEDS.0 });
    // Not the same ones every day; a failing one is printed.
    let first = setting("CRM_UNDO_FIRST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    println!("simulation: {count} seeds from {first}");
    let (next, began) = (AtomicU64::new(0), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut seen = Seen::default();
            let _stop = StopAll(&next, count);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return seen;
                }
                seen.add(&one(first + number, db()));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(some) => seen.add(&some),
                Err(why) => std::panic::resume_unwind(why),
            }
        }
    });
    println!("simulation: {count} seeds from {first} in {:?}: {seen:?}", began.elapsed());
    if count >= 500 {
        seen.saw_something_of_everything();
    }
}

/// The same seed is the same run, down to every write, request and answer.
#[test]
fn one_seed_is_one_trace() {
    let first = setting("CRM_UNDO_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    for seed in first..first + 12 {
        let (once, again) = (one(seed, db()), one(seed, db()));
        assert_eq!(once.trace, again.trace, "{}", replay(seed));
        assert_ne!(once.trace, one(seed + 1_000_000, db()).trace);
    }
}
