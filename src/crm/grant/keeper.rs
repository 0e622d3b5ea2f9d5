//! The one refresher of a connection, and leases of its token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::seat::{Seat, Why};
use super::{Issuer, Kept, NotIssued, Report, Standing, Vault};
use crate::crm::CrmError;
use crate::domain::world::Clock;

/// Longer than a refresh takes: one try of a call of ours, body included.
const PATIENCE: Duration = Duration::from_secs(35);
/// How often it is looked at least: clocks jump, and somebody reads the metric.
const LOOK: Duration = Duration::from_mins(5);
/// How often somebody is told again that access is not good.
const AGAIN: Duration = Duration::from_hours(1);

/// Keeps the access of one connection alive. Cheap to share.
#[derive(Debug)]
pub struct Keeper {
    name: String,
    vault: Arc<dyn Vault>,
    issuer: Arc<dyn Issuer>,
    clock: Arc<dyn Clock>,
    /// Calls of ours read it for as long as they last; a refresh writes it. So neither is ever beside the other.
    seat: Arc<RwLock<Seat>>,
    seen: Mutex<(Report, Option<Instant>)>,
    changed: Notify,
    look_every: Duration,
}

/// The access token, for one call. No refresh begins while it is held.
#[derive(Debug)]
pub struct Lease {
    token: SecretString,
    _seat: OwnedRwLockReadGuard<Seat>,
}

impl Lease {
    /// The token.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// The call is over: the token alone, for [`Keeper::refused`].
    pub fn end(self) -> SecretString {
        self.token
    }
}

impl Keeper {
    /// With what lies in the vault.
    pub fn new(
        name: &str,
        kept: Kept,
        vault: Arc<dyn Vault>,
        issuer: Arc<dyn Issuer>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Self::looking_every(LOOK, name, kept, (vault, issuer, clock))
    }

    /// The same; how often it looks at least is for tests that live through a year.
    pub(super) fn looking_every(
        look_every: Duration,
        name: &str,
        kept: Kept,
        (vault, issuer, clock): (Arc<dyn Vault>, Arc<dyn Issuer>, Arc<dyn Clock>),
    ) -> Arc<Self> {
        let seat = Seat::of(kept);
        let seen = Mutex::new((seat.report(), None));
        let seat = Arc::new(RwLock::new(seat));
        Arc::new(Self { name: name.to_owned(), vault, issuer, clock, seat, seen, changed: Notify::new(), look_every })
    }

    /// The access token, for one call of ours. Waits for a refresh under way; refreshes first if it is over.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, CrmError> {
        for last in [false, true] {
            let seat = tokio::time::timeout(PATIENCE, self.seat.clone().read_owned()).await;
            let seat = seat.map_err(|_| busy("its token is being refreshed"))?;
            if let Some(token) = seat.usable(self.clock.now()) {
                return Ok(Lease { token: SecretString::from(token), _seat: seat });
            }
            if last {
                return Err(without(&seat.report()));
            }
            drop(seat);
            self.refresh(Why::Due).await;
        }
        Err(busy("its token is being refreshed"))
    }

    /// The CRM answered 401 to this token. `Ok`: there is another one now. At most one refresh, and none if the token
    /// was exchanged meanwhile.
    pub async fn refused(self: &Arc<Self>, token: &SecretString) -> Result<(), CrmError> {
        self.refresh(Why::Refused(token.expose_secret().to_owned())).await;
        let seat = self.seat.read().await;
        match seat.usable(self.clock.now()) {
            Some(now) if now != token.expose_secret() => Ok(()),
            Some(_) if seat.report().standing == Standing::Good => {
                Err(busy("the CRM does not take the token that it gave a moment ago"))
            }
            _ => Err(without(&seat.report())),
        }
    }

    /// Exchanges the code that a person was given for the first pair.
    pub async fn connect(self: &Arc<Self>, code: &str) -> Result<(), NotIssued> {
        let (keeper, code) = (Arc::clone(self), code.to_owned());
        // A task of its own: a caller that leaves must not cut it between the answer and the vault.
        let done = tokio::spawn(async move {
            let mut seat = keeper.seat.write().await;
            let now = keeper.clock.now();
            let done = seat.exchange(&code, keeper.vault.as_ref(), keeper.issuer.as_ref(), now).await;
            keeper.tell(&seat.report());
            keeper.changed.notify_one();
            done
        });
        done.await.unwrap_or_else(|_| Err(NotIssued::Lost("it failed in an unexpected way".to_owned())))
    }

    /// How access stands.
    pub fn report(&self) -> Report {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Refreshes ahead of time until `shutdown`. A refresh under way is finished first.
    pub async fn keep(self: Arc<Self>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let wait = self.look().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait.min(self.look_every)) => {}
            }
        }
        let _nobody_refreshes = self.seat.write().await;
    }

    /// Refreshes if it is time; how long until somebody has to look again.
    async fn look(self: &Arc<Self>) -> Duration {
        let now = self.clock.now();
        let due = {
            let seat = self.seat.read().await;
            self.tell(&seat.report());
            seat.wait(now)
        };
        if !due.is_zero() {
            return due;
        }
        self.refresh(Why::Due).await;
        self.seat.read().await.wait(self.clock.now()).max(Duration::from_millis(100))
    }

    async fn refresh(self: &Arc<Self>, why: Why) {
        let keeper = Arc::clone(self);
        // A task of its own, as above. A panic in it leaves the marker in the vault, and the next try tells.
        let task = tokio::spawn(async move {
            let mut seat = keeper.seat.write().await;
            seat.refresh(&why, keeper.vault.as_ref(), keeper.issuer.as_ref(), keeper.clock.now()).await;
            keeper.tell(&seat.report());
        });
        if let Err(error) = task.await {
            tracing::error!(connection = self.name, %error, "a refresh failed in an unexpected way");
        }
    }

    /// Metric, log, and what others are shown.
    fn tell(&self, report: &Report) {
        let now = self.clock.now();
        #[allow(clippy::cast_precision_loss)] // seconds of a token's life
        metrics::gauge!("crm_undo_access_ends_seconds", "connection" => self.name.clone())
            .set(report.seconds_left(now) as f64);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = seen.0 != *report;
        let again = seen.1.is_none_or(|told| told.elapsed() >= AGAIN);
        let (connection, hours_left) = (&self.name, report.seconds_left(now) / 3600);
        match &report.standing {
            Standing::Good if changed && seen.1.take().is_some() => tracing::info!(connection, "access is good again"),
            Standing::Good => {}
            Standing::Reauthorize(why) if changed || again => {
                tracing::error!(connection, why, "access has to be authorized again: crm-undo connect {connection}");
                seen.1 = Some(Instant::now());
            }
            Standing::Late(why) | Standing::Uncertain(why) if changed || again => {
                tracing::error!(connection, why, hours_left, "access could not be renewed; it is tried again");
                seen.1 = Some(Instant::now());
            }
            _ => {}
        }
        seen.0 = report.clone();
    }
}

fn busy(why: &str) -> CrmError {
    CrmError::Transient { retry_after: Some(Duration::from_secs(5)), detail: why.to_owned() }
}

/// Not permanent, and not a 401: the caller's own token is good, and a library that renewed it would change nothing.
fn without(report: &Report) -> CrmError {
    let why = report.standing.reason().unwrap_or("its access token is over");
    CrmError::Transient {
        retry_after: Some(Duration::from_mins(1)),
        detail: format!("the connection has no access of its own ({}): {why}", report.standing.word()),
    }
}
