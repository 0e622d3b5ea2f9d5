//! A CRM whose refresh tokens are good once, a vault, and a process that dies.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::crm::grant::{Issued, Issuer, Keeper, Kept, NotIssued, Vault};
use crate::domain::world::Clock;

/// amoCRM's: 24 hours, 3 months.
pub(super) const LIFE: u64 = 86_400;
/// Each look costs the simulated clock some real time.
const LOOK: Duration = Duration::from_hours(6);
pub(super) const REFRESH_LIFE: f64 = 90.0 * 86_400.0;

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Point {
    BeforeRequest,
    BeforeAnswer,
    BeforeWrite,
    DuringWrite,
    AfterWrite,
    AfterUse,
}

pub(super) const POINTS: [Point; 6] = [
    Point::BeforeRequest,
    Point::BeforeAnswer,
    Point::BeforeWrite,
    Point::DuringWrite,
    Point::AfterWrite,
    Point::AfterUse,
];

#[derive(Debug)]
pub(super) struct Inside {
    pub(super) chance: StdRng,
    /// Seconds of earlier lives, and when this life began.
    pub(super) before: f64,
    pub(super) begun: Option<Instant>,
    /// Access token -> when it ends; gone: revoked.
    pub(super) access: HashMap<String, f64>,
    /// Refresh token -> its access token, when it ends, whether it was used.
    pub(super) refresh: HashMap<String, (String, f64, bool)>,
    pub(super) code: Option<String>,
    pub(super) revokes: bool,
    pub(super) lives: u64,
    named: u64,
    under_way: u32,
    pub(super) overlaps: u32,
    pub(super) refreshes: u32,
    pub(super) oldest_used: f64,
    /// What lies in the vault.
    pub(super) durable: Kept,
    /// How often something goes wrong; 0: never.
    pub(super) fault: f64,
    /// How often the process dies where it can.
    pub(super) death: f64,
    pub(super) down_until: f64,
    pub(super) deaths: HashSet<Point>,
    /// The next time it dies is here.
    pub(super) die_at: Option<Point>,
}

/// Cheap to clone; all clones are the same world.
#[derive(Clone, Debug)]
pub(super) struct World {
    inside: Arc<Mutex<Inside>>,
    pub(super) died: Arc<Notify>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let inside = Inside {
            chance: StdRng::seed_from_u64(seed),
            before: 1_790_000_000.0,
            begun: None,
            access: HashMap::new(),
            refresh: HashMap::new(),
            code: None,
            revokes: true,
            lives: LIFE,
            named: 0,
            under_way: 0,
            overlaps: 0,
            refreshes: 0,
            oldest_used: 0.0,
            durable: Kept::default(),
            fault: 0.0,
            death: 0.0,
            down_until: 0.0,
            deaths: HashSet::new(),
            die_at: None,
        };
        Self { inside: Arc::new(Mutex::new(inside)), died: Arc::default() }
    }

    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no test panics while it holds this lock")
    }

    /// A process with what lies in the vault.
    pub(super) fn process(&self) -> Arc<Keeper> {
        let mut inside = self.inside();
        inside.begun = Some(Instant::now());
        inside.under_way = 0;
        let (vault, issuer, clock) = (Arc::new(self.clone()), Arc::new(self.clone()), Arc::new(self.clone()));
        Keeper::looking_every(LOOK, "acme", inside.durable.clone(), (vault, issuer, clock))
    }

    /// The process is gone, and nothing runs for so long.
    pub(super) fn ended(&self, down: Duration) {
        let mut inside = self.inside();
        inside.before = inside.now() + down.as_secs_f64();
        inside.begun = None;
    }

    /// A code that a person was given.
    pub(super) fn consent(&self) -> String {
        let mut inside = self.inside();
        let code = inside.name("code");
        inside.code = Some(code.clone());
        code
    }

    async fn perhaps_dies(&self, point: Point) {
        let dies = {
            let mut inside = self.inside();
            let death = inside.death;
            let dies = inside.die_at == Some(point) || death > 0.0 && inside.chance.random_bool(death);
            if dies {
                inside.deaths.insert(point);
                inside.die_at = None;
            }
            dies
        };
        if dies {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// A call with this token, as a caller makes it: whether the CRM takes it.
    pub(super) async fn call(&self, token: &str) -> bool {
        self.perhaps_dies(Point::AfterUse).await;
        let pause = self.inside().chance.random_range(10..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.inside().takes(token)
    }

    async fn give(&self, take: impl FnOnce(&mut Inside) -> Option<Option<String>>) -> Result<Issued, NotIssued> {
        {
            let mut inside = self.inside();
            inside.under_way += 1;
            inside.overlaps += u32::from(inside.under_way > 1);
        }
        let given = self.answer(take).await;
        self.inside().under_way -= 1;
        given
    }

    async fn answer(&self, take: impl FnOnce(&mut Inside) -> Option<Option<String>>) -> Result<Issued, NotIssued> {
        self.perhaps_dies(Point::BeforeRequest).await;
        let (pause, fault, kind) = {
            let mut inside = self.inside();
            let fault = inside.fault > 0.0 && {
                let fault = inside.fault;
                inside.now() < inside.down_until || inside.chance.random_bool(fault)
            };
            (inside.chance.random_range(20..3000), fault, inside.chance.random_range(0..4))
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match (fault, kind) {
            (true, 0 | 1) => return Err(NotIssued::Later("down".into())),
            (true, 2) => return Err(NotIssued::Lost("cut before the effect".into())),
            _ => {}
        }
        let issued = {
            let mut inside = self.inside();
            match take(&mut inside) {
                None => return Err(NotIssued::Refused("Invalid refresh token".into())),
                Some(old) => inside.issue(old),
            }
        };
        self.perhaps_dies(Point::BeforeAnswer).await;
        if fault { Err(NotIssued::Lost("cut after the effect".into())) } else { Ok(issued) }
    }
}

impl Inside {
    pub(super) fn now(&self) -> f64 {
        self.before + self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}-{}", self.named)
    }

    pub(super) fn takes(&self, access: &str) -> bool {
        self.access.get(access).is_some_and(|ends| self.now() < *ends)
    }

    /// Whether the refresh token that lies in the vault could still be used.
    pub(super) fn can_go_on(&self) -> bool {
        let refresh = self.durable.pair.as_ref().and_then(|pair| self.refresh.get(&pair.refresh));
        refresh.is_some_and(|(_, ends, used)| !used && self.now() < *ends)
    }

    fn issue(&mut self, old: Option<String>) -> Issued {
        if let Some(old) = old.filter(|_| self.revokes) {
            self.access.remove(&old);
        }
        let (access, refresh, now) = (self.name("access"), self.name("refresh"), self.now());
        #[allow(clippy::cast_precision_loss)] // seconds of a token's life
        self.access.insert(access.clone(), now + self.lives as f64);
        self.refresh.insert(refresh.clone(), (access.clone(), now + REFRESH_LIFE, false));
        Issued { access, refresh, lives: self.lives }
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        #[allow(clippy::cast_possible_truncation)] // milliseconds of this century
        Timestamp::from_millisecond((self.inside().now() * 1000.0) as i64).expect("of this century")
    }
}

#[async_trait]
impl Issuer for World {
    async fn refresh(&self, refresh: &str) -> Result<Issued, NotIssued> {
        let refresh = refresh.to_owned();
        self.give(move |inside| {
            inside.refreshes += 1;
            let now = inside.now();
            let (access, ends, used) = inside.refresh.get_mut(&refresh)?;
            if *used || now >= *ends {
                return None;
            }
            *used = true;
            let (access, age) = (access.clone(), REFRESH_LIFE - (*ends - now));
            inside.oldest_used = inside.oldest_used.max(age);
            Some(Some(access))
        })
        .await
    }

    async fn exchange(&self, code: &str) -> Result<Issued, NotIssued> {
        let code = code.to_owned();
        self.give(move |inside| inside.code.take().filter(|known| *known == code).map(|_| None)).await
    }
}

#[async_trait]
impl Vault for World {
    async fn save(&self, kept: &Kept) -> Result<(), String> {
        let is_new = kept.pair != self.inside().durable.pair;
        if is_new {
            self.perhaps_dies(Point::BeforeWrite).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (fails, written) = {
            let mut inside = self.inside();
            let fault = inside.fault;
            (fault > 0.0 && inside.chance.random_bool(fault / 2.0), inside.chance.random_bool(0.5))
        };
        // Half written is not written: the new file is not in its place yet.
        self.perhaps_dies(Point::DuringWrite).await;
        if fails {
            // An error after the rename leaves the new one there.
            if written {
                self.inside().durable = kept.clone();
            }
            return Err("input/output error".into());
        }
        self.inside().durable = kept.clone();
        if is_new {
            self.perhaps_dies(Point::AfterWrite).await;
        }
        Ok(())
    }
}
