//! What outlives a process: disk, CRM, clock, weather, trace; and what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::crm::Crm;
use super::dice::Dice;
use super::judge::Durable;
use super::time::{Numbered, Time};
use crate::archive::journal::tests::sim::{SimDisk, after_power_loss};
use crate::domain::record::RecordRef;

/// How much strikes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Share of requests that something happens to.
    pub(super) strikes: f64,
    /// Whether what a lost create has made can be found.
    pub(super) can_find: bool,
    pub(super) people: bool,
    pub(super) jumps: bool,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    hash: blake3::Hasher,
    lines: Vec<String>,
    /// What is wrong; the first one counts.
    pub(super) broken: Option<String>,
    /// Requests of this life, as they arrived.
    pub(super) arrivals: Vec<Duration>,
    /// Destructive requests that left, by record.
    pub(super) sends: BTreeMap<RecordRef, usize>,
    pub(super) sent: BTreeSet<u64>,
    /// When each record of a destructive request had last been asked about when that left.
    pub(super) looked: BTreeMap<(u64, RecordRef), Duration>,
    /// Requests whose caller was told that nothing was sent.
    pub(super) refused: BTreeSet<u64>,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

/// Cheap to clone; all clones are one world.
#[derive(Clone)]
pub(super) struct World {
    pub(super) time: Arc<Time>,
    pub(super) names: Arc<Numbered>,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    pub(super) db: sled::Db,
    pub(super) storm: Arc<std::sync::atomic::AtomicBool>,
    crm: Arc<Mutex<Crm>>,
    log: Arc<Mutex<Log>>,
    disk: Arc<Mutex<SimDisk>>,
    /// What the disk held after the last power cut.
    start: Arc<Mutex<Contents>>,
    durable: Arc<Mutex<Durable>>,
    /// The process dies when this many more requests have left.
    pub(super) sends_left: Arc<Mutex<Option<usize>>>,
    requests: Arc<Mutex<u64>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

type Contents = BTreeMap<String, Vec<u8>>;

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather, db: &sled::Db) -> Self {
        let dice = Dice::new(seed);
        Self {
            time: Arc::default(),
            names: Arc::new(Numbered::new(dice.fork())),
            dice,
            weather,
            db: db.clone(),
            storm: Arc::new(true.into()),
            crm: Arc::default(),
            log: Arc::default(),
            disk: Arc::default(),
            start: Arc::default(),
            durable: Arc::default(),
            sends_left: Arc::default(),
            requests: Arc::default(),
        }
    }

    /// The CRM as it is now.
    pub(super) fn crm(&self) -> MutexGuard<'_, Crm> {
        let mut crm = lock(&self.crm);
        crm.until(self.time.since_begin());
        crm
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(super) fn disk(&self) -> SimDisk {
        lock(&self.disk).clone()
    }

    /// What of it was read so far.
    pub(super) fn durable(&self) -> MutexGuard<'_, Durable> {
        lock(&self.durable)
    }

    /// What a power cut now leaves, if nothing arrives that was not synced.
    pub(super) fn synced(&self) -> SimDisk {
        after_power_loss(&lock(&self.start), &self.disk().log(), usize::MAX, &mut || false)
    }

    /// The process has died. With the power, some of what was not synced is lost; else it is all still on its way.
    pub(super) fn dies(&self, power: bool) {
        let disk = self.disk();
        if !power {
            *lock(&self.disk) = disk.revived();
            return;
        }
        let (sector, share) = (*self.dice.pick(&[512, 4096]), *self.dice.pick(&[0.0, 0.3, 0.5, 0.9, 1.0]));
        let image = after_power_loss(&lock(&self.start), &disk.log(), sector, &mut || self.dice.chance(share));
        *lock(&self.start) = image.contents();
        *lock(&self.disk) = image;
    }

    pub(super) fn request(&self) -> u64 {
        let mut last = lock(&self.requests);
        *last += 1;
        *last
    }

    pub(super) fn stormy(&self) -> bool {
        self.storm.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Part of the trace.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let at = self.time.since_begin();
        let line = format!("{:>10} {}", at.as_millis(), what());
        let mut log = self.log();
        log.hash.update(line.as_bytes());
        if std::env::var_os("CRM_UNDO_TRACE").is_some() {
            println!("{line}");
        }
        if log.lines.len() < 4_000 {
            log.lines.push(line);
        }
    }

    pub(super) fn count(&self, what: &'static str) {
        *self.log().counts.entry(what).or_default() += 1;
    }

    /// Something is wrong.
    pub(super) fn broken(&self, what: String) {
        self.log().broken.get_or_insert(what);
    }

    pub(super) fn trace(&self) -> blake3::Hash {
        self.log().hash.finalize()
    }

    /// The last lines of the trace.
    pub(super) fn tail(&self, lines: usize) -> String {
        let log = self.log();
        log.lines[log.lines.len().saturating_sub(lines)..].join("\n")
    }
}
